// One thread, one listener, poll; what poll_server.h promises.

#include "agent/admin/poll_server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace runnel {

using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kDeafTime{200};

}  // namespace

struct PollServer::Connection {
  Socket socket;
  std::unique_ptr<Conversation> conversation;
  std::string in;
  std::string out;
  std::size_t sent = 0;  // of `out`
  bool is_closing = false;
  SteadyClock::time_point last_heard;
};

Result<std::unique_ptr<PollServer>> PollServer::open(Socket listener, Options options,
                                                     Greet greet) {
  Socket event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return unavailable(std::string("eventfd: ") + std::strerror(errno));
  auto server = std::unique_ptr<PollServer>(
      new PollServer(std::move(listener), std::move(event), std::move(options), std::move(greet)));
  server->thread_ = std::thread([raw = server.get()] { raw->run(); });
  pthread_setname_np(server->thread_.native_handle(), server->options_.thread_name.c_str());
  return server;
}

PollServer::PollServer(Socket listener, Socket event, Options options, Greet greet)
    : options_(std::move(options)),
      greet_(std::move(greet)),
      listener_(std::move(listener)),
      event_(std::move(event)) {}

PollServer::~PollServer() {
  is_stopping_ = true;
  wake();
  if (thread_.joinable()) thread_.join();
}

void PollServer::wake() { eventfd_write(event_.fd(), 1); }

void PollServer::run() {
  std::vector<pollfd> polled;
  while (!is_stopping_) {
    polled.clear();
    polled.push_back({event_.fd(), POLLIN, 0});
    const bool has_room =
        connections_.size() < options_.connections_max && SteadyClock::now() >= deaf_until_;
    polled.push_back({listener_.fd(), static_cast<short>(has_room ? POLLIN : 0), 0});
    for (const auto& one : connections_) {
      const bool reads = !one->is_closing && one->in.size() < options_.input_max;
      const bool writes = one->sent < one->out.size();
      polled.push_back(
          {one->socket.fd(), static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0});
    }
    if (poll(polled.data(), polled.size(), patience_ms()) < 0 && errno != EINTR) return;
    const bool is_woken = (polled[0].revents & POLLIN) != 0;
    eventfd_t count = 0;
    if (is_woken) eventfd_read(event_.fd(), &count);
    const auto now = SteadyClock::now();
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Connection& one = *connections_[i];
      const bool is_late =
          !one.conversation->is_patient() && now - one.last_heard >= options_.silence_max;
      if (is_late || !serve(one, polled[i + 2].revents, is_woken)) connections_[i].reset();
    }
    std::erase(connections_, nullptr);
    if ((polled[1].revents & POLLIN) != 0) accept_new();
  }
  connections_.clear();
}

int PollServer::patience_ms() const {
  auto patience = std::chrono::milliseconds(-1);
  const auto now = SteadyClock::now();
  if (now < deaf_until_) patience = std::chrono::ceil<std::chrono::milliseconds>(deaf_until_ - now);
  for (const auto& one : connections_) {
    if (one->conversation->is_patient()) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(SteadyClock::duration::zero(), one->last_heard + options_.silence_max - now));
    if (patience.count() < 0 || left < patience) patience = left;
  }
  return static_cast<int>(patience.count());
}

void PollServer::accept_new() {
  Socket socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  // Who waits would be told of at once, again and again.
  if (!socket && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
    deaf_until_ = SteadyClock::now() + kDeafTime;
  if (!socket) return;
  auto connection = std::make_unique<Connection>();
  connection->socket = std::move(socket);
  connection->conversation = greet_(*this);
  connection->last_heard = SteadyClock::now();
  connections_.push_back(std::move(connection));
}

bool PollServer::serve(Connection& connection, short events, bool is_woken) {
  if ((events & (POLLERR | POLLNVAL)) != 0) return false;
  if ((events & POLLIN) != 0) {
    char buffer[16 * 1024];
    const std::size_t room = std::min(sizeof buffer, options_.input_max - connection.in.size());
    const ssize_t count = recv(connection.socket.fd(), buffer, room, 0);
    if (count == 0) return false;
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) {
      connection.last_heard = SteadyClock::now();
      connection.in.append(buffer, static_cast<std::size_t>(count));
      if (!connection.conversation->on_input(connection.in, connection.out))
        connection.is_closing = true;
      // As much as may be sent, and still not whole: nothing will come of it.
      if (!connection.is_closing && connection.in.size() >= options_.input_max) return false;
    }
  } else if ((events & POLLHUP) != 0) {
    return false;
  }
  if (is_woken && !connection.is_closing && !connection.conversation->on_wake(connection.out))
    connection.is_closing = true;
  return send(connection);
}

bool PollServer::send(Connection& connection) {
  while (true) {
    while (connection.sent < connection.out.size()) {
      const ssize_t count = ::send(connection.socket.fd(), connection.out.data() + connection.sent,
                                   connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno == EAGAIN;
      connection.sent += static_cast<std::size_t>(count);
      connection.last_heard = SteadyClock::now();
    }
    connection.out.clear();
    connection.sent = 0;
    if (connection.is_closing) return false;
    if (!connection.conversation->on_wake(connection.out)) connection.is_closing = true;
    if (connection.out.empty()) return !connection.is_closing;
  }
}

}  // namespace runnel
