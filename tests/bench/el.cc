// Benchmark `el`: `${a:equals('x')}`, beside the comparison of a std::string that it stands for.
//
// `value` and `raw`: ns of CPU time for one; must be at most 200 ns.

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "agent/flow/el/expression.h"

namespace runnel {
namespace {

constexpr int kRounds = 9;
constexpr std::uint64_t kTimes = 1'000'000;

class OneAttribute final : public Scope {
 public:
  explicit OneAttribute(const std::string& value) : value_(value) {}
  std::optional<std::string_view> attribute(std::string_view name) const override {
    if (name == "a") return value_;
    return std::nullopt;
  }

 private:
  const std::string& value_;
};

double thread_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// The least of the rounds: nothing makes it faster than it is.
template <typename Once>
double ns_of(const Once& once) {
  double least = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    const double begin = thread_ns();
    std::uint64_t right = 0;
    for (std::uint64_t i = 0; i < kTimes; ++i) right += once() ? 1U : 0U;
    if (right != kTimes) return -1;
    least = std::min(least, (thread_ns() - begin) / static_cast<double>(kTimes));
  }
  return least;
}

int run() {
  std::string value = "x";
  const std::string wanted = "x";
  const OneAttribute scope(value);
  const Expression expression = Expression::compile("${a:equals('x')}").value();
  const double ours = ns_of([&] { return expression.evaluate_bool(scope).value(); });
  const double raw = ns_of([&] {
    const std::string* at = &value;
    asm volatile("" : "+r"(at) : : "memory");  // so that the comparison is made each time
    return *at == wanted;
  });
  std::printf(
      "{\"value\": %.1f, \"unit\": \"ns\", \"raw\": %.2f, \"ratio\": %.2f, \"ns_max\": 200}\n",
      ours, raw, ours / raw);
  return ours > 0 && raw > 0 ? 0 : 1;
}

}  // namespace
}  // namespace runnel

int main() { return runnel::run(); }
