// ExecuteProcess: runs a program and makes FlowFiles of what it prints.
//
// The program is started at each moment of the schedule, unless it still runs. Its output is read
// by a thread of its own and handed over by an Intake; while the queue is full, the program is made
// to wait by its pipe. It is not run by a shell: arguments are split at spaces, quotes keep them
// together.

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/directory.h"
#include "processors/registry.h"
#include "processors/text_property.h"

extern char** environ;

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct ExecuteProcessConfig {
  EnvironmentText command;
  std::optional<EnvironmentText> arguments;
  std::optional<EnvironmentText> working_directory;
  std::chrono::milliseconds batch_duration = 0ms;
  bool redirect_error_stream = false;
  Size output_size_max{16 << 20};
};

// One run of the program: started, read to the end of its output, waited for.
class Child {
 public:
  using OnOutput = std::function<bool(std::string_view bytes)>;  // false: stop reading

  static Result<std::unique_ptr<Child>> start(const std::vector<std::string>& words,
                                              const std::string& directory, bool with_errors);
  ~Child();
  // Reads what is there; waits at most so long (-1 ms: for ever), or until `stop` can be read.
  // False at the end of the output.
  bool read(std::chrono::milliseconds at_most, int stop, const OnOutput& on_output);
  // Waits for its end, however long it runs without an output, or until `stop` can be read.
  void wait_for_end(int stop) const;
  // Ends it when it still runs (SIGTERM, after a second SIGKILL), and returns how it ended.
  std::string finish(bool is_killed);

 private:
  pid_t pid_ = -1;
  OpenFile output_;
};

class ExecuteProcess final : public Processor {
 public:
  using Config = ExecuteProcessConfig;
  static Result<std::unique_ptr<ExecuteProcess>> make(Config config);
  explicit ExecuteProcess(Config config, std::vector<std::string> words)
      : config_(std::move(config)), words_(std::move(words)) {}
  ~ExecuteProcess() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  void run();  // of the thread
  void deliver(std::string bytes);
  std::chrono::milliseconds until_batch_ends(SteadyTime batch_began) const;

  const Config config_;
  const std::vector<std::string> words_;
  Context* context_ = nullptr;
  Relationship success_;
  std::unique_ptr<Intake> intake_;
  OpenFile stop_event_;
  std::thread thread_;
  std::atomic<bool> is_running_{false};
  std::atomic<bool> is_stopping_{false};
  Mutex mutex_;
  CondVar has_room_;
};

constexpr std::chrono::milliseconds kWait{100};

// Splits a command line: spaces separate, '…' and "…" keep together, a backslash outside '…' takes
// the next letter as it is.
Result<std::vector<std::string>> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool is_open = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
      is_open = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      is_open = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (is_open) words.push_back(std::move(word));
      word.clear();
      is_open = false;
    } else {
      word += c;
      is_open = true;
    }
  }
  if (quote != 0) return invalid("a quote is not closed");
  if (is_open) words.push_back(std::move(word));
  return words;
}

Result<std::unique_ptr<Child>> Child::start(const std::vector<std::string>& words,
                                            const std::string& directory, bool with_errors) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe", errno);
  auto child = std::make_unique<Child>();
  child->output_ = OpenFile(ends[0]);
  const OpenFile write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (with_errors) posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  if (!directory.empty()) posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  // The agent ignores it, and a program would, too: `yes | head` relies on it.
  sigset_t usual;
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int failed =
      ::posix_spawnp(&child->pid_, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    child->pid_ = -1;
    return system_error("starting `" + words[0] + "`", failed);
  }
  return child;
}

Child::~Child() {
  if (pid_ > 0) finish(true);
}

bool Child::read(std::chrono::milliseconds at_most, int stop, const OnOutput& on_output) {
  std::array<pollfd, 2> waiting{{{output_.descriptor(), POLLIN, 0}, {stop, POLLIN, 0}}};
  const auto longest = std::min<std::int64_t>(at_most.count(), 1 << 30);
  if (::poll(waiting.data(), waiting.size(), static_cast<int>(longest)) <= 0) return true;
  if (waiting[0].revents == 0) return true;
  std::array<char, 65536> bytes{};
  const ssize_t got = ::read(output_.descriptor(), bytes.data(), bytes.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  return on_output(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
}

// Where the system has no descriptor of a process to wait for, it is looked at.
void Child::wait_for_end(int stop) const {
  const OpenFile end(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  std::array<pollfd, 2> waiting{{{stop, POLLIN, 0}, {end.descriptor(), POLLIN, 0}}};
  while (waiting[0].revents == 0) {
    siginfo_t ended{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) != 0) return;
    if (ended.si_pid != 0) return;
    ::poll(waiting.data(), waiting.size(), end ? -1 : static_cast<int>(kWait.count()));
  }
}

std::string Child::finish(bool is_killed) {
  output_ = OpenFile();
  int status = 0;
  if (is_killed) {
    ::kill(-pid_, SIGTERM);
    for (int i = 0; i < 10 && ::waitpid(pid_, &status, WNOHANG) == 0; ++i)
      std::this_thread::sleep_for(kWait);
    ::kill(-pid_, SIGKILL);
  }
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) return "ended by signal " + std::to_string(WTERMSIG(status));
  return WEXITSTATUS(status) == 0 ? "" : "exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

ProcessorType execute_process() {
  using C = ExecuteProcessConfig;
  return Describe<ExecuteProcess>("ExecuteProcess",
                                  "Runs a program and makes FlowFiles of what it prints.")
      .property("Command", &C::command,
                {.doc = "The program; looked for in the PATH.", .required = true, .example = "df"})
      .property("Command Arguments", &C::arguments,
                {.doc = "Its arguments, separated by spaces; quotes keep one together.",
                 .example = "-h /var"})
      .property("Working Directory", &C::working_directory, {.doc = "Where it runs."})
      .property("Batch Duration", &C::batch_duration,
                {.doc = "For programs that go on: a FlowFile of what was printed in each such "
                        "time. `0 sec`: one FlowFile when it ends.",
                 .min = 0ms})
      .property("Redirect Error Stream", &C::redirect_error_stream,
                {.doc = "Take what it prints as errors, too."})
      .property("Maximum Output Size", &C::output_size_max,
                {.doc = "So much output makes a FlowFile at once, whatever the `Batch Duration`.",
                 .min = Size{1024},
                 .max = Size{1 << 30}})
      .relationship("success", "What was printed.")
      .writes("command", "The program.")
      .writes("command.arguments", "Its arguments.")
      .input(InputRule::kForbidden)
      .trigger(DefaultTrigger::kTimer);
}

Result<std::unique_ptr<ExecuteProcess>> ExecuteProcess::make(Config config) {
  std::vector<std::string> words{config.command.value};
  if (config.command.value.empty()) return invalid("property `Command` is empty");
  if (config.arguments) {
    TRY_ASSIGN(more, words_of(config.arguments->value).within("property `Command Arguments`"));
    words.insert(words.end(), more.begin(), more.end());
  }
  return std::make_unique<ExecuteProcess>(std::move(config), std::move(words));
}

Result<> ExecuteProcess::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  is_stopping_ = false;
  stop_event_ = OpenFile(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event_) return system_error("eventfd", errno);
  intake_ = context.open_intake(
      {.count_max = 100, .bytes_max = config_.output_size_max.bytes * 2, .on_safe = [this](Ticket) {
         Lock lock(mutex_);
         has_room_.notify_all();
       }});
  return {};
}

void ExecuteProcess::stop() {
  {
    Lock lock(mutex_);
    is_stopping_ = true;
    has_room_.notify_all();
  }
  if (stop_event_) static_cast<void>(::eventfd_write(stop_event_.descriptor(), 1));
  if (thread_.joinable()) thread_.join();
  intake_.reset();
}

// By its schedule, starts the program unless it still runs; when woken, takes what it printed.
Result<> ExecuteProcess::on_trigger(Session& session) {
  const FlowFile flowfile = intake_->next(session);
  if (flowfile) {
    session.transfer(flowfile, success_);
    if (context_->is_scheduled()) context_->wake();  // for the rest, before the next moment
  }
  if (!context_->is_scheduled() || (thread_.joinable() && is_running_)) return {};
  if (thread_.joinable()) thread_.join();
  is_running_ = true;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "execute");
    run();
    is_running_ = false;
  });
  return {};
}

void ExecuteProcess::run() {
  const std::string directory = config_.working_directory ? config_.working_directory->value : "";
  Result<std::unique_ptr<Child>> child =
      Child::start(words_, directory, config_.redirect_error_stream);
  if (!child.ok()) {
    context_->bulletin(BulletinLevel::kError, child.error().text());
    return;
  }
  std::string output;
  SteadyTime batch_began = std::chrono::steady_clock::now();
  const auto take = [&output](std::string_view bytes) {
    output += bytes;
    return true;
  };
  bool goes_on = true;
  while (goes_on && !is_stopping_) {
    goes_on = (*child)->read(until_batch_ends(batch_began), stop_event_.descriptor(), take);
    const auto now = std::chrono::steady_clock::now();
    const bool is_batch_over =
        config_.batch_duration.count() > 0 && now - batch_began >= config_.batch_duration;
    if (is_batch_over) batch_began = now;
    if (!output.empty() && (is_batch_over || output.size() >= config_.output_size_max.bytes)) {
      deliver(std::exchange(output, {}));
    }
  }
  if (!output.empty()) deliver(std::move(output));
  if (!is_stopping_) (*child)->wait_for_end(stop_event_.descriptor());
  const std::string ended = (*child)->finish(is_stopping_);
  if (!ended.empty() && !is_stopping_)
    context_->bulletin(BulletinLevel::kWarning, "`" + words_[0] + "`: " + ended);
}

// How long to wait for more output; -1 ms: for ever.
std::chrono::milliseconds ExecuteProcess::until_batch_ends(SteadyTime batch_began) const {
  if (config_.batch_duration.count() <= 0) return -1ms;
  const auto left = batch_began + config_.batch_duration - std::chrono::steady_clock::now();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), 1ms);
}

void ExecuteProcess::deliver(std::string bytes) {
  Arrival arrival;
  arrival.content = std::move(bytes);
  arrival.kind = ProvenanceKind::kCreate;  // as NiFi's does
  arrival.details = "created from command: " + words_[0];
  arrival.attributes = {{"command", words_[0]},
                        {"command.arguments", config_.arguments ? config_.arguments->value : ""}};
  while (true) {
    // NOLINTNEXTLINE(bugprone-use-after-move): an intake that refuses leaves it as it was
    const Result<Ticket> ticket = intake_->deliver(std::move(arrival));
    if (ticket.ok() || ticket.code() != Code::kFull) return;
    Lock lock(mutex_);
    if (is_stopping_) return;
    has_room_.wait_until(mutex_, std::chrono::steady_clock::now() + kWait);
  }
}

}  // namespace runnel
