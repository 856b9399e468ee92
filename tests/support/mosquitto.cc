// Mosquitto: Debian's real MQTT broker for tests.

#include "tests/support/mosquitto.h"

#include <signal.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/support/raw_peer.h"

namespace runnel::test {
namespace {

std::uint16_t free_port() { return RawListener().port(); }

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

Mosquitto::Mosquitto(MosquittoOptions options) : options_(std::move(options)) {
  for (int tries = 0; tries < 5 && port_ == 0; ++tries) {
    port_ = free_port();
    try {
      start();
    } catch (const std::runtime_error&) {
      port_ = 0;  // somebody was faster
    }
  }
  if (port_ == 0) throw std::runtime_error("mosquitto does not start: " + log());
}

std::string Mosquitto::uri() const {
  const std::string scheme =
      options_.is_web_socket ? (options_.tls ? "wss" : "ws") : (options_.tls ? "ssl" : "tcp");
  return scheme + "://127.0.0.1:" + std::to_string(port_);
}

std::string Mosquitto::log() const { return read_file(folder_.path() + "/mosquitto.log"); }

void Mosquitto::start() {
  const std::string folder = folder_.path();
  std::ofstream conf(folder + "/mosquitto.conf");
  conf << "max_queued_messages 0\n";
  if (options_.more.find("log_type") == std::string::npos) conf << "log_type all\n";
  if (options_.is_persistent) {
    conf << "persistence true\npersistence_location " << folder << "/\n";
  }
  conf << options_.more << "\nlistener " << port_ << " 127.0.0.1\n";
  if (options_.is_web_socket) conf << "protocol websockets\n";
  if (options_.has_auth) {
    run_to_end({"mosquitto_passwd", "-c", "-b", folder + "/passwords", "truck", "secret"});
    std::ofstream(folder + "/acl") << "topic deny closed/#\nuser truck\ntopic read #\n"
                                      "topic readwrite open/#\ntopic deny closed/#\n";
    conf << "allow_anonymous false\npassword_file " << folder << "/passwords\nacl_file " << folder
         << "/acl\n";
    run_to_end({"chmod", "a+r", folder + "/passwords", folder + "/acl"});
  } else {
    conf << "allow_anonymous true\n";
  }
  if (options_.tls) {
    conf << "cafile " << options_.tls->ca << "\ncertfile " << options_.tls->server << "\nkeyfile "
         << options_.tls->server_key << "\nrequire_certificate true\n";
  }
  conf.close();
  process_ = Process({"mosquitto", "-c", folder + "/mosquitto.conf"}, folder + "/mosquitto.log");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    if (!process_.is_running()) throw std::runtime_error("mosquitto has ended");
    if (RawPeer::connect(port_).is_open()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // until it listens
  }
  throw std::runtime_error("mosquitto does not listen");
}

void Mosquitto::stop() { process_.end(SIGTERM); }
void Mosquitto::kill() { process_.end(SIGKILL); }

std::vector<std::string> Mosquitto::client(const std::string& program) const {
  std::vector<std::string> arguments{program, "-h",    "127.0.0.1", "-p", std::to_string(port_),
                                     "-V",    "mqttv5"};
  if (options_.has_auth) {
    arguments.insert(arguments.end(), {"-u", "truck", "-P", "secret"});
  }
  if (options_.tls) {
    arguments.insert(arguments.end(), {"--cafile", options_.tls->ca, "--cert", options_.tls->client,
                                       "--key", options_.tls->client_key});
  }
  return arguments;
}

void Mosquitto::publish(const std::string& topic, const std::string& payload, int qos,
                        bool is_retained) const {
  std::vector<std::string> arguments = client("mosquitto_pub");
  arguments.insert(arguments.end(), {"-t", topic, "-q", std::to_string(qos), "-s"});
  if (is_retained) arguments.push_back("-r");
  run_to_end(arguments, payload);
}

void Mosquitto::publish_lines(const std::string& topic, const std::string& payloads,
                              int qos) const {
  std::vector<std::string> arguments = client("mosquitto_pub");
  arguments.insert(arguments.end(), {"-t", topic, "-q", std::to_string(qos), "-l"});
  run_to_end(arguments, payloads);
}

Process Mosquitto::subscribe(const std::string& topic, int count, const std::string& into_file,
                             int qos) const {
  std::vector<std::string> arguments = client("mosquitto_sub");
  arguments.insert(arguments.end(), {"-t", topic, "-q", std::to_string(qos), "-C",
                                     std::to_string(count), "-W", "30"});
  return Process(arguments, into_file);
}

}  // namespace runnel::test
