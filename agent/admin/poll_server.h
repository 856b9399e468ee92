// PollServer: one thread that serves the connections of one listening socket, by poll.
//
// It sleeps while nobody speaks. Everything is bounded: connections (the next waits in the
// backlog), what a connection may send before it is answered, how long it may be silent.

#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/admin/sockets.h"
#include "agent/base/result.h"

namespace runnel {

// What is said on one connection. Called on the server's thread only.
class Conversation {
 public:
  virtual ~Conversation() = default;
  // Takes from the front of `in` what is whole, and appends to `out`. False: close the connection
  // when `out` has been sent.
  virtual bool on_input(std::string& in, std::string& out) = 0;
  // After PollServer::wake, and when `out` has been sent. False: as above.
  virtual bool on_wake(std::string& out) {
    static_cast<void>(out);
    return true;
  }
  // Whether it may be silent for ever: something is being sent to it.
  virtual bool is_patient() const { return false; }
};

class PollServer {
 public:
  struct Options {
    std::string thread_name;  // up to 15 characters
    std::size_t connections_max = 16;
    std::size_t input_max = 64 * 1024;
    std::chrono::milliseconds silence_max = std::chrono::seconds(30);
  };
  using Greet = std::function<std::unique_ptr<Conversation>(PollServer&)>;

  static Result<std::unique_ptr<PollServer>> open(Socket listener, Options options, Greet greet);
  ~PollServer();  // closes all connections and waits for the thread
  PollServer(const PollServer&) = delete;
  PollServer& operator=(const PollServer&) = delete;

  // Any thread, at once: every conversation's on_wake is called soon.
  void wake();

 private:
  struct Connection;
  PollServer(Socket listener, Socket event, Options options, Greet greet);
  void run();
  void accept_new();
  // False: the connection is over.
  bool serve(Connection& connection, short events, bool is_woken);
  bool send(Connection& connection);
  int patience_ms() const;

  const Options options_;
  const Greet greet_;
  Socket listener_;
  Socket event_;
  std::atomic<bool> is_stopping_{false};
  std::vector<std::unique_ptr<Connection>> connections_;
  // Until then nobody new is listened to: there was no descriptor for one.
  std::chrono::steady_clock::time_point deaf_until_{};
  std::thread thread_;
};

}  // namespace runnel
