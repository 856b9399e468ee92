// The asking end of the control socket; what control_client.h promises.

#include "agent/admin/control_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace runnel {
namespace {

constexpr std::size_t kLineMax = 256 << 20;

Code code_of(const std::string& word) {
  constexpr std::array<std::pair<std::string_view, Code>, 4> kCodes{{{"invalid", Code::kInvalid},
                                                                     {"not_found", Code::kNotFound},
                                                                     {"full", Code::kFull},
                                                                     {"corrupt", Code::kCorrupt}}};
  for (const auto& [name, code] : kCodes)
    if (name == word) return code;
  return Code::kUnavailable;
}

std::string text_of(const StatusJson& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Makes JSON as StatusJson::parse does, but does not look for each name among those before it: the
// agent says none twice, and objects of 10,000 attributes would take seconds.
class Reader final : public nlohmann::json_sax<StatusJson> {
 public:
  // Null: it is none.
  static StatusJson read(const std::string& text) {
    Reader reader;
    return StatusJson::sax_parse(text, &reader) ? std::move(reader.whole_) : StatusJson();
  }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override { return open(StatusJson::object()); }
  bool start_array(std::size_t) override { return open(StatusJson::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    name_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  StatusJson& put(StatusJson value) {
    if (open_.empty()) return whole_ = std::move(value);
    StatusJson& into = *open_.back();
    if (into.is_array()) return into.emplace_back(std::move(value));
    return into.get_ref<StatusJson::object_t&>()
        .emplace_back(std::move(name_), std::move(value))
        .second;
  }
  bool add(StatusJson value) {
    put(std::move(value));
    return true;
  }
  bool open(StatusJson value) {
    open_.push_back(&put(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  StatusJson whole_;
  std::vector<StatusJson*> open_;  // each in the one before it
  std::string name_;
};

}  // namespace

Result<ControlClient> ControlClient::connect(const std::string& state_dir) {
  TRY_ASSIGN(socket, connect_control(state_dir));
  return ControlClient(std::move(socket));
}

Result<> ControlClient::send_line(const StatusJson& json) {
  const std::string line = line_of(json);
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = send(socket_.fd(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unavailable(std::string("the agent has gone: ") + std::strerror(errno));
    sent += static_cast<std::size_t>(count);
  }
  return {};
}

Result<StatusJson> ControlClient::ask(const StatusJson& request,
                                      const std::function<void(const StatusJson&)>& on_item,
                                      Until until) {
  TRY(send_line(request));
  while (true) {
    TRY_ASSIGN(answer, next_line(until));
    StatusJson json = Reader::read(answer);
    if (!json.is_object()) return unavailable("the agent answers nonsense");
    if (json.contains("item")) {
      if (on_item) on_item(json["item"]);
      continue;
    }
    if (json.contains("result")) return std::move(json["result"]);
    return Error(code_of(text_of(json, "code")), text_of(json, "error"));
  }
}

Result<std::string> ControlClient::next_line(Until& until) {
  std::size_t searched = 0;
  while (true) {
    const std::size_t end = received_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    searched = received_.size();
    if (received_.size() > kLineMax) return unavailable("the agent's answer does not end");
    if (until) {
      using std::chrono::milliseconds;
      const auto left = *until - std::chrono::steady_clock::now();
      const auto wait = std::chrono::ceil<milliseconds>(left).count();
      pollfd polled{socket_.fd(), POLLIN, 0};
      const int ready =
          ::poll(&polled, 1, static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000)));
      if (wait <= 0) {
        until.reset();
        TRY(send_line({{"command", "end"}}));
      } else if (ready <= 0) {
        continue;
      }
    }
    char buffer[64 * 1024];
    const ssize_t count = recv(socket_.fd(), buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return unavailable("the agent has gone");
    received_.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace runnel
