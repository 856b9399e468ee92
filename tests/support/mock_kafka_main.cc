// runnel-mock-kafka: an embedded Kafka for demonstrations and tests, on loopback.
//
//   runnel-mock-kafka [TOPIC PARTITIONS]
//
// A topic that is not there is made when it is first asked for, with four partitions. Prints
// `bootstrap HOST:PORT`, then runs until SIGTERM or SIGINT. It goes away by the line `down` on its
// standard input, or SIGUSR1, and comes back by `up`, or SIGUSR2; each is answered by `is down`,
// `is up`. After `delay MS` it answers so much later (`answers after MS ms`). It keeps 5 MiB of
// each partition, the newest. Exit code 2: it was called otherwise.

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tests/support/kafka_mock.h"

namespace runnel::test {
namespace {

constexpr int kDelayMax = 10'000;  // ms

void say(const std::string& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

void set(KafkaMock& kafka, bool is_up) {
  is_up ? kafka.up() : kafka.down();
  say(is_up ? "is up" : "is down");
}

void obey(KafkaMock& kafka, std::string_view line) {
  if (line == "up" || line == "down") {
    set(kafka, line == "up");
  } else if (line.starts_with("delay ")) {
    const std::string_view number = line.substr(6);
    int ms = -1;
    const auto read = std::from_chars(number.begin(), number.end(), ms);
    if (read.ec != std::errc() || read.ptr != number.end() || ms < 0 || ms > kDelayMax)
      return say("a delay is 0 to " + std::to_string(kDelayMax) + " ms");
    kafka.set_delay(std::chrono::milliseconds(ms));
    say("answers after " + std::to_string(ms) + " ms");
  } else if (!line.empty()) {
    say("unknown command; there are `up`, `down` and `delay MS`");
  }
}

struct Topic {
  std::string name;
  int partitions = 0;
};

constexpr int kPartitionsMax = 1000;

// The exit code of a program that is not to serve; none: the topic to make, if one is wanted.
std::optional<int> parse(std::span<char*> words, Topic& topic) {
  const auto usage = [](std::FILE* to) {
    std::fprintf(to, "usage: runnel-mock-kafka [TOPIC PARTITIONS]   (1 to %d partitions)\n",
                 kPartitionsMax);
  };
  if (words.empty()) return std::nullopt;
  const std::string_view name = words[0];
  if (name == "--help" || name == "-h") {
    usage(stdout);
    return 0;
  }
  const std::string_view number = words.size() == 2 ? words[1] : "";
  const auto read = std::from_chars(number.begin(), number.end(), topic.partitions);
  const bool is_number = read.ec == std::errc() && read.ptr == number.end();
  if (!is_number || topic.partitions < 1 || topic.partitions > kPartitionsMax || name.empty() ||
      name.starts_with('-')) {
    usage(stderr);
    return 2;
  }
  topic.name = name;
  return std::nullopt;
}

int serve(int signals, const Topic& topic) {
  KafkaMock kafka;
  if (!topic.name.empty()) kafka.make_topic(topic.name, topic.partitions);
  say("bootstrap " + kafka.bootstrap());
  std::string input;
  std::array<pollfd, 2> ready{{{signals, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
  while (true) {
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    if ((ready[0].revents & POLLIN) != 0) {
      signalfd_siginfo info{};
      if (::read(signals, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) return 0;
      set(kafka, info.ssi_signo == SIGUSR2);
    }
    if (ready[1].revents == 0) continue;
    std::array<char, 256> bytes{};
    const ssize_t got = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (got <= 0) {
      ready[1].fd = -1;  // nobody will say anything more
      continue;
    }
    input.append(bytes.data(), static_cast<std::size_t>(got));
    for (std::size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      obey(kafka, std::string_view(input).substr(0, end));
      input.erase(0, end + 1);
    }
    if (input.size() > bytes.size()) input.clear();
  }
}

}  // namespace
}  // namespace runnel::test

int main(int count, char** words) {
  runnel::test::Topic topic;
  const std::span<char*> given(words + 1, static_cast<std::size_t>(std::max(count - 1, 0)));
  if (const auto code = runnel::test::parse(given, topic)) return *code;
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) sigaddset(&mask, number);
  sigprocmask(SIG_BLOCK, &mask, nullptr);  // before librdkafka starts its threads
  signal(SIGPIPE, SIG_IGN);
  try {
    return runnel::test::serve(::signalfd(-1, &mask, SFD_CLOEXEC), topic);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
