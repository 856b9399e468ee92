// RawPeer: one end of a TCP connection on loopback, byte by byte, for tests. Everything has a
// deadline; nothing sleeps.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel::test {

class RawPeer {
 public:
  RawPeer() = default;
  explicit RawPeer(int fd) : fd_(fd) {}
  RawPeer(RawPeer&& other) noexcept;
  RawPeer& operator=(RawPeer&& other) noexcept;
  ~RawPeer();

  static RawPeer connect(std::uint16_t port);
  bool is_open() const { return fd_ >= 0; }
  void send(std::string_view bytes);
  // Exactly so many bytes, or what came until the deadline or the end of the connection.
  std::string expect(std::size_t count,
                     std::chrono::milliseconds within = std::chrono::seconds(10));
  // Appends what there is, `most` bytes at most; waits for the first. False: the end.
  bool read_more(std::string& out, std::size_t most);
  // Whether nothing arrives for so long.
  bool is_silent(std::chrono::milliseconds span = std::chrono::milliseconds(50));
  // Whether the other side closes within the deadline.
  bool is_closed_by_peer(std::chrono::milliseconds within = std::chrono::seconds(10));
  void close();

 private:
  int fd_ = -1;
};

class RawListener {
 public:
  RawListener();
  ~RawListener();
  std::uint16_t port() const { return port_; }
  RawPeer accept(std::chrono::milliseconds within = std::chrono::seconds(10));

 private:
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace runnel::test
