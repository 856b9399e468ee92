// top: a running agent on the whole screen, anew every second.
//
// Where the output is no terminal, one table is printed after one interval.

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "agent/admin/control_client.h"
#include "agent/base/bytes.h"
#include "agent/commands.h"
#include "agent/output.h"
#include "agent/signals.h"
#include "agent/top_view.h"

namespace runnel {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::string_view kHelp =
    "q quit  f flow's order  n name  i in  o out  t time  e failures  j/k, arrows: scroll";

Result<StatusJson> snapshot(const std::string& state_dir) {
  TRY_ASSIGN(client, ControlClient::connect(state_dir));
  return client.ask({{"command", "status"}});
}

void on_resize(int) {}  // only ends the waiting

// The terminal as a canvas; as it was when this goes.
class Terminal {
 public:
  Terminal() {
    is_raw_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (is_raw_) {
      termios raw = before_;
      raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
      raw.c_cc[VMIN] = 0;
      raw.c_cc[VTIME] = 0;
      tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    struct sigaction resize {};
    resize.sa_handler = on_resize;
    sigemptyset(&resize.sa_mask);
    sigaction(SIGWINCH, &resize, &resize_before_);
    print_raw("\033[?1049h\033[?25l");
  }
  ~Terminal() {
    print_raw("\033[?25h\033[?1049l");
    if (is_raw_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    sigaction(SIGWINCH, &resize_before_, nullptr);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static void measure(TopView& view) {
    winsize size{};
    const bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    view.width = is_known ? size.ws_col : 80;
    view.height = is_known ? size.ws_row : 24;
  }

  // The next key within the time; nothing: the time is up, or the terminal has another size.
  std::optional<std::string> key(std::chrono::milliseconds within) const {
    pollfd polled{STDIN_FILENO, POLLIN, 0};
    if (poll(&polled, 1, static_cast<int>(within.count())) <= 0) return std::nullopt;
    char bytes[16];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    // The terminal has gone.
    if (count <= 0) return std::string("q");
    return std::string(bytes, static_cast<std::size_t>(count));
  }

 private:
  termios before_{};
  struct sigaction resize_before_ {};
  bool is_raw_ = false;
};

// False: quit.
bool obey(const std::string& key, TopView& view, std::size_t rows) {
  if (key == "q" || key == "Q" || key == "\x03" || key == "\x04") return false;
  const std::size_t page = view.height > 8 ? view.height - 8 : 1;
  constexpr std::string_view kOrders = "fniote";
  if (const std::size_t at = kOrders.find(key[0]); key.size() == 1 && at != kOrders.npos) {
    view.order = static_cast<TopOrder>(at);
    view.first = 0;
  } else if (key == "j" || key == "\033[B") {
    ++view.first;
  } else if (key == "k" || key == "\033[A") {
    view.first -= view.first > 0 ? 1 : 0;
  } else if (key == " " || key == "\033[6~") {
    view.first += page;
  } else if (key == "b" || key == "\033[5~") {
    view.first -= std::min(view.first, page);
  }
  view.first = std::min(view.first, rows > page ? rows - page : 0);
  return true;
}

int draw(const StatusJson& before, const StatusJson& now, TopView& view) {
  Terminal::measure(view);
  TopView body = view;
  body.height = view.height > 1 ? view.height - 1 : 1;
  const std::string text = top_text(before, now, body);
  std::string screen = "\033[H";
  for (const std::string_view line : split(text, '\n')) screen += std::string(line) + "\033[K\r\n";
  // The last line break of the text has begun a line: the help stands there.
  screen.erase(screen.size() - std::string_view("\033[K\r\n").size());
  screen += "\033[J\033[" + std::to_string(view.height) + ";1H\033[7m" +
            std::string(kHelp.substr(0, view.width)) + "\033[0m\033[K";
  return print_raw(screen);
}

int run_live(const TopRequest& request, StatusJson before) {
  const StopSignals signals;
  TopView view{.has_colour = std::getenv("NO_COLOR") == nullptr};
  int code = kExitGood;
  std::optional<Error> trouble;
  {
    const Terminal terminal;
    StatusJson now = before;
    auto next = Steady::now() + request.interval;
    code = draw(before, now, view);
    while (code == kExitGood && !signals.is_stopped()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Steady::now());
      const auto key = terminal.key(std::max(left, std::chrono::milliseconds(0)));
      if (key && !obey(*key, view, top_rows(now))) break;
      if (Steady::now() >= next) {
        auto fresh = snapshot(request.state_dir);
        if (!fresh.ok()) {
          trouble = fresh.error();
          break;
        }
        before = std::move(now);
        now = std::move(*fresh);
        next = Steady::now() + request.interval;
      }
      code = draw(before, now, view);
    }
  }
  if (trouble) return failed(*trouble);
  if (signals.is_stopped()) StopSignals::pass_on(signals.signal());
  return code;
}

}  // namespace

int top_command(const TopRequest& request) {
  auto before = snapshot(request.state_dir);
  if (!before.ok()) return failed(before.error());
  if (isatty(STDOUT_FILENO) != 0 && isatty(STDIN_FILENO) != 0)
    return run_live(request, std::move(*before));
  std::this_thread::sleep_for(request.interval);
  const auto now = snapshot(request.state_dir);
  if (!now.ok()) return failed(now.error());
  return print(top_text(*before, *now, {}));
}

}  // namespace runnel
