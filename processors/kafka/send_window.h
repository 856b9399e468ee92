// SendWindow: how many messages, and how many of their bytes, are on their way.

#pragma once

#include <atomic>
#include <cstdint>

namespace runnel::kafka {

// The sender's thread adds, the reports' thread settles.
class SendWindow {
 public:
  SendWindow(std::uint32_t messages_max, std::uint64_t bytes_max)
      : messages_max_(messages_max), bytes_max_(bytes_max) {}

  // Whether nothing more may be sent; `settle` then tells when there is room. One message may go
  // beyond the bytes.
  bool is_full();
  void add(std::uint64_t bytes);
  // So many have ended. True: the sender found it full, and is to be woken.
  [[nodiscard]] bool settle(std::uint32_t messages, std::uint64_t bytes);

 private:
  bool has_room() const { return messages_ < messages_max_ && bytes_ < bytes_max_; }

  const std::uint32_t messages_max_;
  const std::uint64_t bytes_max_;
  std::atomic<std::uint32_t> messages_{0};
  std::atomic<std::uint64_t> bytes_{0};
  // Set before the window is looked at again, read after it was changed: sequentially consistent,
  // or a wake could be missed.
  std::atomic<bool> is_waiting_{false};
};

inline bool SendWindow::is_full() {
  if (has_room()) return false;
  is_waiting_ = true;
  if (!has_room()) return true;
  is_waiting_ = false;
  return false;
}

inline void SendWindow::add(std::uint64_t bytes) {
  messages_.fetch_add(1);
  bytes_.fetch_add(bytes);
}

inline bool SendWindow::settle(std::uint32_t messages, std::uint64_t bytes) {
  bytes_.fetch_sub(bytes);
  const std::uint32_t left = messages_.fetch_sub(messages) - messages;
  // Half empty is soon enough, and wakes the worker once for many reports.
  return left <= messages_max_ / 2 && is_waiting_.exchange(false);
}

}  // namespace runnel::kafka
