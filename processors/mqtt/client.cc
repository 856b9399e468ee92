// Client: the thread that keeps a line to a broker.

#include "processors/mqtt/client.h"

#include <pthread.h>
#include <signal.h>

#include <thread>

#include "agent/base/backoff.h"
#include "agent/base/ids.h"
#include "agent/base/mutex.h"
#include "processors/mqtt/connection.h"

namespace runnel::mqtt {
namespace {

using namespace std::chrono_literals;

constexpr auto kDisconnectTime = 2s;  // for a clean DISCONNECT

class KeptClient final : public Client {
 public:
  KeptClient(ClientOptions options, ClientHooks hooks)
      : options_(std::move(options)), hooks_(std::move(hooks)) {}
  ~KeptClient() override { stop(); }

  void begin() {
    keeper_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), ("mqtt " + options_.name).substr(0, 15).c_str());
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // SIGPIPE of OpenSSL among them
      keep();
    });
  }

  Result<> publish(const Publication& publication, std::uint64_t cookie) override {
    const std::shared_ptr<Connection> connection = current();
    if (!connection) return unavailable("not connected");
    return connection->publish(publication, cookie);
  }
  bool is_up() const override {
    const std::shared_ptr<Connection> connection = current();
    return connection && connection->is_up();
  }
  void release_through(std::uint64_t number) override {
    const Lock lock(mutex_);
    released_ = number;
    if (connection_) connection_->gate().release_through(number);
  }
  void complete(const std::vector<std::uint16_t>& ids) override {
    if (const std::shared_ptr<Connection> connection = current()) connection->gate().complete(ids);
  }
  void pause(bool is_paused) override {
    const Lock lock(mutex_);
    is_paused_ = is_paused;
    if (connection_) connection_->gate().pause(is_paused);
  }
  void cut() override {
    if (const std::shared_ptr<Connection> connection = current()) connection->gate().cut();
  }
  void stop() override;

 private:
  std::shared_ptr<Connection> current() const {
    const Lock lock(mutex_);
    return connection_;
  }
  void keep();
  Error connect_once();
  bool is_stopping() const {
    const Lock lock(mutex_);
    return is_stopping_;
  }

  const ClientOptions options_;
  const ClientHooks hooks_;
  std::thread keeper_;
  bool must_use_310_ = false;  // the keeper's: the broker does not know 3.1.1
  Backoff backoff_{options_.backoff_first, options_.backoff_cap};

  mutable Mutex mutex_;
  CondVar changed_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  bool is_paused_ GUARDED_BY(mutex_) = false;
  std::uint64_t released_ GUARDED_BY(mutex_) = 0;
  std::shared_ptr<Connection> connection_ GUARDED_BY(mutex_);
};

void KeptClient::keep() {
  while (!is_stopping()) {
    const Error ended = connect_once();
    if (is_stopping()) return;
    const auto wait = backoff_.next(random_u64());
    hooks_.tell(BulletinLevel::kWarning,
                ended.text() + "; next try in " + std::to_string(wait.count()) + " ms");
    const auto deadline = std::chrono::steady_clock::now() + wait;
    const Lock lock(mutex_);
    while (!is_stopping_ && changed_.wait_until(mutex_, deadline)) {
    }
  }
}

Error KeptClient::connect_once() {
  const Version version = must_use_310_ ? Version::k310 : options_.version;
  if (hooks_.on_begin) hooks_.on_begin();
  const std::string known =
      hooks_.known_topics && !options_.is_clean ? hooks_.known_topics() : std::string{};
  const auto opened = Connection::open(options_, hooks_, version, known);
  if (!opened.ok()) {
    if (hooks_.on_down) hooks_.on_down();
    return opened.error();
  }
  const std::shared_ptr<Connection>& connection = *opened;
  {
    const Lock lock(mutex_);
    if (is_stopping_) connection->gate().stop();
    connection_ = connection;
    connection->gate().release_through(released_);
    connection->gate().pause(is_paused_);
  }
  Error ended = connection->run();
  if (connection->was_up()) backoff_.reset();
  if (options_.version == Version::k3Auto && connection->is_version_refused()) must_use_310_ = true;
  if (hooks_.remember_topics && !options_.is_clean && connection->has_subscribed_all() &&
      known != options_.joined_topics()) {
    hooks_.remember_topics(options_.joined_topics());
  }
  {
    const Lock lock(mutex_);
    connection_.reset();
  }
  if (hooks_.on_down) hooks_.on_down();
  return ended;
}

void KeptClient::stop() {
  if (!keeper_.joinable()) return;
  std::shared_ptr<Connection> connection;
  {
    const Lock lock(mutex_);
    is_stopping_ = true;
    connection = connection_;
  }
  changed_.notify_all();
  if (connection) {
    const bool is_over = connection->disconnect() && connection->wait_until_over(kDisconnectTime);
    if (!is_over) connection->gate().stop();
  }
  keeper_.join();
}

}  // namespace

std::string ClientOptions::joined_topics() const {
  std::string joined = std::to_string(qos) + ":";
  for (const std::string& topic : topics) {
    if (joined.back() != ':') joined += ',';
    joined += topic;
  }
  return joined;
}

Result<std::unique_ptr<Client>> Client::open(ClientOptions options, ClientHooks hooks) {
  auto client = std::make_unique<KeptClient>(std::move(options), std::move(hooks));
  try {
    client->begin();
  } catch (const std::system_error& error) {
    return unavailable(std::string("starting a thread: ") + error.what());
  }
  return std::unique_ptr<Client>(std::move(client));
}

}  // namespace runnel::mqtt
