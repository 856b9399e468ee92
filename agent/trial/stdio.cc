// Reading and writing file descriptors from within a flow.
//
// A read may block for ever, and a worker must not: a thread of the source's own reads, a few
// blocks ahead, and wakes it.

#include "agent/trial/stdio.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <thread>

namespace runnel {
namespace {

constexpr std::size_t kBlockBytes = 64 * 1024;
constexpr std::size_t kBlocksMax = 8;          // read ahead
constexpr std::size_t kDraftFrom = 16 * 1024;  // above it, a content grows on disk

// Reads ahead on a thread of its own.
class BlockReader {
 public:
  BlockReader(int fd, std::function<void()> wake) : fd_(fd), wake_(std::move(wake)) {
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "stdin");
      run();
    });
  }
  ~BlockReader() {
    {
      const Lock lock(mutex_);
      is_stopping_ = true;
      room_.notify_all();
    }
    ::eventfd_write(stop_, 1);
    thread_.join();
    ::close(stop_);
  }
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  enum class Next { kBlock, kNotYet, kEnd, kBroken };
  // Moves the next block into `into`.
  Next next(std::string& into, int& error) EXCLUDES(mutex_) {
    const Lock lock(mutex_);
    if (!blocks_.empty()) {
      into = std::move(blocks_.front());
      blocks_.pop_front();
      room_.notify_all();
      return Next::kBlock;
    }
    error = error_;
    if (error_ != 0) return Next::kBroken;
    return is_at_end_ ? Next::kEnd : Next::kNotYet;
  }

 private:
  void run() EXCLUDES(mutex_) {
    while (true) {
      std::string block(kBlockBytes, '\0');
      std::array<pollfd, 2> polled{{{fd_, POLLIN, 0}, {stop_, POLLIN, 0}}};
      if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return end(errno);
      if (polled[1].revents != 0) return;
      if (polled[0].revents == 0) continue;
      const ssize_t count = ::read(fd_, block.data(), block.size());
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) return end(count < 0 ? errno : 0);
      block.resize(static_cast<std::size_t>(count));
      const Lock lock(mutex_);
      blocks_.push_back(std::move(block));
      wake_();
      while (blocks_.size() >= kBlocksMax && !is_stopping_) room_.wait(mutex_);
      if (is_stopping_) return;
    }
  }
  void end(int error) EXCLUDES(mutex_) {
    const Lock lock(mutex_);
    is_at_end_ = true;
    error_ = error;
    wake_();
  }

  const int fd_;
  const std::function<void()> wake_;
  int stop_ = -1;
  Mutex mutex_;
  CondVar room_;
  std::deque<std::string> blocks_ GUARDED_BY(mutex_);
  bool is_at_end_ GUARDED_BY(mutex_) = false;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  int error_ GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

class StdinSource final : public Processor {
 public:
  StdinSource(StdinOptions options, std::shared_ptr<StdioNews> news)
      : options_(std::move(options)), news_(std::move(news)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    to_ = context.relationship(options_.relationship);
    reader_ = std::make_unique<BlockReader>(options_.fd, [&context] { context.wake(); });
    return {};
  }
  void stop() override { reader_.reset(); }

  Result<> on_trigger(Session& session) override {
    if (is_over_) return {};
    Result<> stepped = step(session);
    if (!stepped.ok()) give_up(stepped.error().text(), 0);
    return stepped;
  }

 private:
  void give_up(std::string trouble, int error) {
    is_over_ = true;
    news_->broken("reading the input: " + std::move(trouble), error);
  }

  // The next FlowFile, if it is there.
  Result<> step(Session& session) {
    while (true) {
      if (at_ < block_.size()) {
        const std::string_view rest = std::string_view(block_).substr(at_);
        const std::size_t end = options_.is_lines ? rest.find('\n') : std::string_view::npos;
        if (end != std::string_view::npos) {
          TRY(make(session, rest.substr(0, end)));
          at_ += end + 1;
          return {};
        }
        TRY(keep(rest));
        at_ = block_.size();
      }
      int error = 0;
      switch (reader_->next(block_, error)) {
        case BlockReader::Next::kBlock:
          at_ = 0;
          break;
        case BlockReader::Next::kNotYet:
          return {};
        case BlockReader::Next::kBroken:
          give_up(std::strerror(error), error);
          return {};
        case BlockReader::Next::kEnd: {
          const bool is_left = draft_ != nullptr || !kept_.empty();
          if (is_left || !options_.is_lines) TRY(make(session, {}));
          is_over_ = true;
          news_->at_end(made_);
          return {};
        }
      }
    }
  }

  // What has come so far of a content whose end has not.
  Result<> keep(std::string_view bytes) {
    if (draft_ == nullptr && kept_.size() + bytes.size() <= kDraftFrom) {
      kept_ += bytes;
      return {};
    }
    if (draft_ == nullptr) {
      auto draft = context_->open_draft();
      TRY(draft->write(kept_));
      TRY(draft->write(bytes));
      draft_ = std::move(draft);
      kept_.clear();
      return {};
    }
    return draft_->write(bytes);
  }

  Result<> make(Session& session, std::string_view last) {
    FlowFile flowfile = session.create();
    for (const auto& [name, value] : options_.attributes) flowfile.set(name, value);
    if (draft_ != nullptr) {
      TRY(draft_->write(last));
      TRY(session.write(flowfile, *draft_));
      draft_.reset();
    } else if (kept_.empty()) {
      TRY(session.write(flowfile, last));
    } else {
      kept_ += last;
      TRY(session.write(flowfile, kept_));
      kept_.clear();
    }
    session.transfer(flowfile, to_);
    ++made_;
    return {};
  }

  const StdinOptions options_;
  const std::shared_ptr<StdioNews> news_;
  Context* context_ = nullptr;
  Relationship to_;
  std::unique_ptr<BlockReader> reader_;
  std::string block_;
  std::size_t at_ = 0;  // what is before it was made or kept
  std::string kept_;
  std::unique_ptr<ContentDraft> draft_;
  std::uint64_t made_ = 0;
  bool is_over_ = false;
};

class StdoutSink final : public Processor {
 public:
  StdoutSink(int fd, std::string separator, std::shared_ptr<StdioNews> news)
      : fd_(fd), separator_(std::move(separator)), news_(std::move(news)) {}

  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (!flowfile) return {};
    TRY_ASSIGN(reader, session.reader(flowfile));
    std::uint64_t left = flowfile.size();
    std::size_t filled = 0;
    while (left > 0) {
      TRY_ASSIGN(count, reader->read(std::span<char>(buffer_).subspan(filled)));
      if (count == 0) return corrupt("the content ends early");
      filled += count;
      left -= count;
      if (filled == buffer_.size()) {
        TRY(write(std::string_view(buffer_.data(), filled)));
        filled = 0;
      }
    }
    // In one call with its separator, so that lines of several programs do not mix.
    std::string last(buffer_.data(), filled);
    TRY(write(last + separator_));
    session.drop(flowfile);
    return {};
  }

 private:
  Result<> write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        pollfd polled{fd_, POLLOUT, 0};
        ::poll(&polled, 1, 1000);
      } else if (errno != EINTR) {
        const int error = errno;
        news_->broken(std::string("writing the output: ") + std::strerror(error), error);
        return unavailable(std::strerror(error));
      }
    }
    return {};
  }

  const int fd_;
  const std::string separator_;
  const std::shared_ptr<StdioNews> news_;
  std::array<char, kBlockBytes> buffer_{};
};

}  // namespace

void StdioNews::at_end(std::uint64_t made) {
  const Lock lock(mutex_);
  state_.is_at_end = true;
  state_.made = made;
  changed_.notify_all();
}

void StdioNews::broken(std::string trouble, int error) {
  const Lock lock(mutex_);
  if (!state_.trouble.empty()) return;
  state_.trouble = std::move(trouble);
  state_.error = error;
  changed_.notify_all();
}

StdioNews::State StdioNews::state() const {
  const Lock lock(mutex_);
  return state_;
}

void StdioNews::wait(std::chrono::milliseconds timeout) const {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const Lock lock(mutex_);
  while (!state_.is_at_end && state_.trouble.empty()) {
    if (!changed_.wait_until(mutex_, deadline)) return;
  }
}

std::unique_ptr<Processor> stdin_source(StdinOptions options, std::shared_ptr<StdioNews> news) {
  return std::make_unique<StdinSource>(std::move(options), std::move(news));
}

std::unique_ptr<Processor> stdout_sink(int fd, std::string separator,
                                       std::shared_ptr<StdioNews> news) {
  return std::make_unique<StdoutSink>(fd, std::move(separator), std::move(news));
}

}  // namespace runnel
