// MQTT in WebSocket frames (RFC 6455; MQTT 5.0 section 6): the client's side of the handshake and
// of the framing.

#include <poll.h>

#include <algorithm>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/ids.h"
#include "processors/mqtt/wire.h"

namespace runnel::mqtt {
namespace {

constexpr std::size_t kAnswerMax = 16 * 1024;   // bytes of the answer to our handshake
constexpr std::size_t kPendingMax = 64 * 1024;  // bytes of frames that the socket has not taken
constexpr std::size_t kControlMax = 125;        // bytes in a control frame

enum Opcode : unsigned {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10
};

class WebSocketWire final : public Wire {
 public:
  WebSocketWire(std::unique_ptr<Wire> inner, const std::string& host, const std::string& path)
      : inner_(std::move(inner)) {
    const std::string key = to_base64(random_bytes(16));
    accept_ = to_base64(
        digest("SHA1", key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").value_or(std::string{}));
    out_ = "GET " + path + " HTTP/1.1\r\nHost: " + host +
           "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + key +
           "\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";
  }

  Result<bool> open_step() override {
    if (!is_inner_open_) {
      TRY_ASSIGN(is_open, inner_->open_step());
      if (!is_open) return false;
      is_inner_open_ = true;
    }
    TRY(flush());
    TRY(fill());
    const std::size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (in_.size() > kAnswerMax) return unavailable("WebSocket: the answer has no end");
      if (is_ended_) return unavailable("WebSocket: closed by the broker during the handshake");
      return false;
    }
    TRY(check_answer(in_.substr(0, end)));
    in_.erase(0, end + 4);
    is_open_ = true;
    return true;
  }

  Result<std::optional<std::size_t>> read(std::span<char> into) override {
    TRY(flush());
    while (true) {
      if (left_ > 0 && !in_.empty()) {
        const std::size_t count =
            std::min({static_cast<std::size_t>(left_), in_.size(), into.size()});
        std::memcpy(into.data(), in_.data(), count);
        in_.erase(0, count);
        left_ -= count;
        return std::optional<std::size_t>(count);
      }
      if (left_ == 0) {
        TRY_ASSIGN(has_frame, begin_frame());
        if (has_frame) continue;
      }
      if (is_ended_) return std::optional<std::size_t>(0);
      const std::size_t before = in_.size();
      TRY(fill());
      if (in_.size() == before && !is_ended_) return std::optional<std::size_t>{};
    }
  }

  Result<std::size_t> write(std::string_view bytes) override {
    TRY(flush());
    if (out_.size() >= kPendingMax || bytes.empty()) return std::size_t{0};
    const std::size_t count = std::min(bytes.size(), kPendingMax);
    append_frame(kBinary, bytes.substr(0, count));
    TRY(flush());
    return count;
  }

  int fd() const override { return inner_->fd(); }
  short events() const override {
    short wanted = inner_->events();
    if (!out_.empty() && is_inner_open_) wanted = static_cast<short>(wanted | POLLOUT);
    if (is_inner_open_ && !is_open_) wanted = static_cast<short>(wanted | POLLIN);
    return wanted;
  }
  bool has_more() const override { return !in_.empty() || inner_->has_more(); }

 private:
  Result<> check_answer(const std::string& head) {
    const std::string status = head.substr(0, head.find("\r\n"));
    if (status.rfind("HTTP/1.1 101", 0) != 0) {
      return unavailable("WebSocket: the broker answers `" + to_utf8(status.substr(0, 100)) + "`");
    }
    for (const std::string_view line : split(head, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      if (equal_ignoring_case(trimmed(line.substr(0, colon)), "Sec-WebSocket-Accept") &&
          trimmed(line.substr(colon + 1)) == accept_) {
        return {};
      }
    }
    return unavailable("WebSocket: the broker's answer has no right `Sec-WebSocket-Accept`");
  }

  Result<> flush() {
    while (!out_.empty()) {
      TRY_ASSIGN(count, inner_->write(out_));
      if (count == 0) break;
      out_.erase(0, count);
    }
    return {};
  }

  Result<> fill() {
    char buffer[16 * 1024];
    TRY_ASSIGN(count, inner_->read(buffer));
    if (count && *count == 0) is_ended_ = true;
    if (count) in_.append(buffer, *count);
    return {};
  }

  // Reads the next frame's header; control frames are dealt with at once. False: more bytes needed.
  Result<bool> begin_frame() {
    if (in_.size() < 2) return false;
    const auto at = [this](std::size_t i) { return static_cast<unsigned char>(in_[i]); };
    const unsigned opcode = at(0) & 0x0F;
    if ((at(0) & 0x70) != 0 || (at(1) & 0x80) != 0)
      return corrupt("WebSocket: a frame is malformed");
    std::uint64_t length = at(1) & 0x7F;
    std::size_t header = 2;
    if (length >= 126) {
      const std::size_t bytes = length == 126 ? 2 : 8;
      if (in_.size() < 2 + bytes) return false;
      length = 0;
      for (std::size_t i = 0; i < bytes; ++i) length = length << 8 | at(2 + i);
      header += bytes;
    }
    if (opcode < kClose) {
      if (opcode == kText) return corrupt("WebSocket: a text frame is no MQTT");
      in_.erase(0, header);
      left_ = length;
      return true;
    }
    if (length > kControlMax) return corrupt("WebSocket: a control frame is too long");
    if (in_.size() < header + length) return false;
    const std::string payload = in_.substr(header, static_cast<std::size_t>(length));
    in_.erase(0, header + static_cast<std::size_t>(length));
    if (opcode == kClose) is_ended_ = true;
    if (opcode == kPing && out_.size() < kPendingMax) {
      append_frame(kPong, payload);
      TRY(flush());
    }
    return opcode != kClose;
  }

  void append_frame(unsigned opcode, std::string_view payload) {
    out_.push_back(static_cast<char>(0x80 | opcode));
    if (payload.size() < 126) {
      out_.push_back(static_cast<char>(0x80 | payload.size()));
    } else if (payload.size() <= 0xFFFF) {
      out_.push_back(static_cast<char>(0x80 | 126));
      out_.push_back(static_cast<char>(payload.size() >> 8));
      out_.push_back(static_cast<char>(payload.size() & 0xFF));
    } else {
      out_.push_back(static_cast<char>(0x80 | 127));
      for (int shift = 56; shift >= 0; shift -= 8) {
        out_.push_back(static_cast<char>(payload.size() >> shift & 0xFF));
      }
    }
    const std::string mask = random_bytes(4);
    out_ += mask;
    for (std::size_t i = 0; i < payload.size(); ++i) {
      out_.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
    }
  }

  std::unique_ptr<Wire> inner_;
  std::string accept_;      // what the broker must answer
  std::string in_;          // read, not yet taken apart
  std::string out_;         // framed, not yet taken by the socket
  std::uint64_t left_ = 0;  // of the present data frame
  bool is_inner_open_ = false;
  bool is_open_ = false;
  bool is_ended_ = false;
};

}  // namespace

std::unique_ptr<Wire> open_web_socket_wire(std::unique_ptr<Wire> inner, const std::string& host,
                                           const std::string& path) {
  return std::make_unique<WebSocketWire>(std::move(inner), host, path);
}

}  // namespace runnel::mqtt
