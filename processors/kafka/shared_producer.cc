// Several users of one producer: whose message is whose, and how one of them ends.

#include "processors/kafka/shared_producer.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/base/assert.h"

namespace runnel::kafka {
namespace {

constexpr int kLineUserShift = 40;
constexpr int kLineFlushMs = 20;
constexpr int kEndLooks = 500;  // of one step each

}  // namespace

// Locks, from the outside in: `report_mutex_`, held while hooks of users are called, so that none
// is under way when a user has gone; `mutex_`. Hooks take locks of the user and of the ledger,
// whose holders never come here.
class ProducerPool::Line {
 public:
  static Result<std::shared_ptr<Line>> open(const Settings& settings) {
    auto line = std::make_shared<Line>();
    TRY_ASSIGN(
        client,
        Producer::open(
            settings, [&at = *line](std::span<const Report> reports) { at.on_reports(reports); },
            [&at = *line](const Trouble& trouble) { at.on_trouble(trouble); }));
    line->client_ = std::move(client);
    return line;
  }

  // 0: it is of no further use.
  std::uint64_t attach(Producer::OnReports on_reports, OnTrouble on_trouble)
      EXCLUDES(report_mutex_, mutex_) {
    const Lock lock(report_mutex_);
    const Lock inner(mutex_);
    if (is_over_) return 0;
    users_.emplace(++last_user_, Hooks{std::move(on_reports), std::move(on_trouble)});
    return last_user_;
  }

  Result<> send(std::uint64_t user, const Message& message, std::uint64_t cookie) EXCLUDES(mutex_) {
    RUNNEL_ASSERT(cookie <= kCookieMax);
    const Lock lock(mutex_);
    // What came back must not be overtaken.
    if (is_over_) return unavailable("the shared producer has ended; another is opened");
    const std::uint64_t whole = user << kLineUserShift | cookie;
    const Result<> sent = client_->send(message, whole);
    // No report of it is looked at before this lock is let go.
    if (sent.ok()) {
      Out& out = out_[whole];
      ++out.messages;
      out.bytes += message.value.size();
      ++open_[user];
    }
    return sent;
  }

  // Nothing is sent by it any more, and what is under way comes back.
  void end() EXCLUDES(mutex_) {
    {
      const Lock lock(mutex_);
      is_over_ = true;
    }
    client_->purge();
  }

  void flush(int wait_ms) { client_->flush(wait_ms); }

  // The user's messages get their reports within this time, or undelivered ones; it has gone then.
  void detach(std::uint64_t user, int flush_ms) EXCLUDES(report_mutex_, mutex_) {
    const std::uint64_t delivered = delivered_;
    for (int waited = 0; waited < flush_ms && open(user) > 0 && !is_over(); waited += kLineFlushMs)
      client_->flush(kLineFlushMs);
    if (open(user) > 0 && (is_over() || is_alone(user) || delivered_ == delivered)) {
      end();
      tell_over(user);
      for (int i = 0; i < kEndLooks && open(user) > 0; ++i) client_->flush(kLineFlushMs);
    }
    const Lock lock(report_mutex_);
    give_up(user);
    users_.erase(user);
  }

 private:
  struct Hooks {
    Producer::OnReports on_reports;
    OnTrouble on_trouble;
  };
  // Messages of one cookie that are under way: several where a FlowFile goes in segments.
  struct Out {
    std::uint32_t messages = 0;
    std::uint64_t bytes = 0;
  };

  std::size_t open(std::uint64_t user) EXCLUDES(mutex_) {
    const Lock lock(mutex_);
    const auto found = open_.find(user);
    return found == open_.end() ? 0 : found->second;
  }
  bool is_over() EXCLUDES(mutex_) {
    const Lock lock(mutex_);
    return is_over_;
  }
  bool is_alone(std::uint64_t user) EXCLUDES(report_mutex_) {
    const Lock lock(report_mutex_);
    return users_.size() == 1 && users_.contains(user);
  }

  void tell_over(std::uint64_t but = 0) EXCLUDES(report_mutex_) {
    const Lock lock(report_mutex_);
    tell_all({{}, true}, but);
  }
  void tell_all(const Trouble& trouble, std::uint64_t but = 0) REQUIRES(report_mutex_) {
    for (const auto& [number, user] : users_)
      if (number != but) user.on_trouble(trouble);
  }

  // From librdkafka's background thread.
  void on_trouble(const Trouble& trouble) EXCLUDES(report_mutex_, mutex_) {
    const Lock lock(report_mutex_);
    if (trouble.is_fatal) {
      const Lock inner(mutex_);
      is_over_ = true;
    }
    tell_all(trouble);
  }

  void on_reports(std::span<const Report> reports) EXCLUDES(report_mutex_, mutex_) {
    const Lock lock(report_mutex_);
    sorted_.clear();
    {
      const Lock inner(mutex_);
      for (const Report& report : reports) note(report);
    }
    const auto user_of = [](const Report& one) { return one.cookie >> kLineUserShift; };
    const auto is_before = [&](const Report& a, const Report& b) {
      return user_of(a) < user_of(b);
    };
    if (!std::is_sorted(sorted_.begin(), sorted_.end(), is_before))
      std::stable_sort(sorted_.begin(), sorted_.end(), is_before);  // each keeps its order
    for (std::size_t at = 0; at < sorted_.size();) {
      const std::uint64_t number = user_of(sorted_[at]);
      const std::size_t began = at;
      for (; at < sorted_.size() && user_of(sorted_[at]) == number; ++at)
        sorted_[at].cookie &= kCookieMax;
      const auto user = users_.find(number);
      if (user != users_.end())
        user->second.on_reports(std::span(sorted_).subspan(began, at - began));
    }
    if (!is_over() || is_told_over_) return;
    is_told_over_ = true;  // a user has found batches too large
    tell_all({{}, true});
  }

  // Passes over what its user has given up.
  void note(const Report& report) REQUIRES(report_mutex_, mutex_) {
    if (report.fate == Fate::kDelivered) ++delivered_;
    const auto found = out_.find(report.cookie);
    if (found == out_.end()) return;
    Out& out = found->second;
    out.bytes -= std::min(out.bytes, report.value_size);
    if (--out.messages == 0) out_.erase(found);
    const auto open = open_.find(report.cookie >> kLineUserShift);
    if (open != open_.end() && --open->second == 0) open_.erase(open);
    sorted_.push_back(report);
  }

  void give_up(std::uint64_t user) REQUIRES(report_mutex_) EXCLUDES(mutex_) {
    std::vector<Report> reports;
    {
      const Lock lock(mutex_);
      for (auto one = out_.begin(); one != out_.end();) {
        if (one->first >> kLineUserShift != user) {
          ++one;
          continue;
        }
        for (std::uint32_t i = 0; i < one->second.messages; ++i) {
          reports.push_back({one->first & kCookieMax,
                             Fate::kUndelivered,
                             i == 0 ? one->second.bytes : 0,
                             {},
                             "the processor has stopped"});
        }
        one = out_.erase(one);
      }
      open_.erase(user);
    }
    const auto found = users_.find(user);
    if (!reports.empty() && found != users_.end()) found->second.on_reports(reports);
  }

  Mutex report_mutex_;
  std::map<std::uint64_t, Hooks> users_ GUARDED_BY(report_mutex_);
  std::vector<Report> sorted_ GUARDED_BY(report_mutex_);
  bool is_told_over_ GUARDED_BY(report_mutex_) = false;
  std::atomic<std::uint64_t> delivered_{0};
  Mutex mutex_;
  std::uint64_t last_user_ GUARDED_BY(mutex_) = 0;
  bool is_over_ GUARDED_BY(mutex_) = false;
  std::unordered_map<std::uint64_t, Out> out_ GUARDED_BY(mutex_);  // by cookie
  std::map<std::uint64_t, std::size_t> open_ GUARDED_BY(mutex_);   // messages, by user
  std::unique_ptr<Producer> client_;  // the last member: its end reports to the others
};

namespace {

class SharedProducer final : public Producer {
 public:
  SharedProducer(std::shared_ptr<ProducerPool::Line> line, std::uint64_t user)
      : line_(std::move(line)), user_(user) {}
  ~SharedProducer() override { close(0); }

  Result<> send(const Message& message, std::uint64_t cookie) override {
    return line_->send(user_, message, cookie);
  }
  void flush(int wait_ms) override { line_->flush(wait_ms); }
  void purge() override { line_->end(); }
  void close(int flush_ms) override {
    if (!line_) return;
    line_->detach(user_, flush_ms);
    line_.reset();
  }

 private:
  std::shared_ptr<ProducerPool::Line> line_;
  const std::uint64_t user_;
};

}  // namespace

Result<std::unique_ptr<Producer>> ProducerPool::open(const Settings& settings,
                                                     Producer::OnReports on_reports,
                                                     OnTrouble on_trouble) {
  const Lock lock(mutex_);
  std::erase_if(lines_, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<Line>& known = lines_[settings];
  std::shared_ptr<Line> line = known.lock();
  std::uint64_t user = line ? line->attach(on_reports, on_trouble) : 0;
  if (user == 0) {
    TRY_ASSIGN(opened, Line::open(settings));
    line = std::move(opened);
    known = line;
    user = line->attach(std::move(on_reports), std::move(on_trouble));
  }
  return std::unique_ptr<Producer>(std::make_unique<SharedProducer>(std::move(line), user));
}

std::size_t ProducerPool::size() const {
  const Lock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      lines_.begin(), lines_.end(), [](const auto& one) { return !one.second.expired(); }));
}

}  // namespace runnel::kafka
