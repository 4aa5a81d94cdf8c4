// What one temporal condition costs: an event that it takes, an event that it does not, a question.
//
//   bench.temporal [events]
//
// Each condition watches a stream of calls at 100 a second by 1,000 users over 10,000 orders; after
// `events` of them (20,000 by default) the state is what it stays at. Then events and questions
// alternate, as they do for calls. Median of 9 runs, nanoseconds each.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <string_view>
#include <vector>

#include "cedar/policy_set.h"
#include "temporal/monitor.h"

using namespace latticegate;
using namespace latticegate::temporal;

namespace {

struct Shape {
  std::string_view name;
  std::string_view body;
};
constexpr std::array shapes{
    Shape{
        "formerly, two keys",
        R"(formerly within 1m A::Action::"pay"::request{ input.user: context.input.user, input.order: context.input.order })"},
    Shape{"formerly, no key", R"(formerly within 1m A::Action::"pay"::request{})"},
    Shape{"previous",
          R"(previous within 1m A::Action::"pay"::request{ input.user: context.input.user })"},
    Shape{
        "no revoke since grant",
        R"(!A::Action::"revoke"::request{ input.user: context.input.user } since within 1m A::Action::"pay"::request{ input.user: context.input.user })"},
    Shape{
        "since, positive",
        R"(A::Action::"pay"::request{} since within 1m A::Action::"pay"::request{ input.user: context.input.user })"},
    Shape{
        "count in a window",
        R"(exists (n: Long). ((count for (t: Timepoint). where (formerly within 10s (A::Action::"pay"::request{} && tp(t)))) == n && n > 100000))"},
    Shape{
        "count per user",
        R"((count for (t: Timepoint). where (formerly within 10s (A::Action::"pay"::request{ input.user: context.input.user } && tp(t)))) > 1000)"},
    Shape{
        "sum in a window",
        R"((sum a for (a: Long), (t: Timepoint). where (formerly within 10s (A::Action::"pay"::request{ input.amount: a } && a > 0 && tp(t)))) > 10000000)"},
    Shape{
        "distinct orders per user",
        R"((count for (o: String). where (formerly within 1m A::Action::"pay"::request{ input.user: context.input.user, input.order: o })) > 1000)"},
};

class CallFields final : public Fields {
 public:
  void set(std::size_t i, cedar::Arena& arena) {
    arena.reset();
    user_ = arena.copy(std::string_view(std::format("user-{}", i * 7'919 % 1'000)));
    order_ = arena.copy(std::string_view(std::format("order-{}", i * 104'729 % 10'000)));
    amount_ = static_cast<std::int64_t>(i % 500);
  }
  cedar::Value find(std::span<const cedar::Name> path) const override {
    if (path.back() == name_user) return cedar::Value::string(user_);
    if (path.back() == name_order) return cedar::Value::string(order_);
    return cedar::Value::integer(amount_);
  }
  cedar::Value context(cedar::Arena& arena) const {
    cedar::RecordBuilder input(arena);
    input.add(name_user, cedar::Value::string(user_)).add(name_order, cedar::Value::string(order_));
    cedar::RecordBuilder context(arena);
    return context.add("input", input.finish()).finish();
  }

 private:
  static constexpr cedar::Name name_user{"user"};
  static constexpr cedar::Name name_order{"order"};
  std::string_view user_;
  std::string_view order_;
  std::int64_t amount_ = 0;
};

// One state and the stream that it watches.
class Stream {
 public:
  explicit Stream(const Shape& shape) : state_({.size = base::Bytes{1ULL << 30U}}) {
    const auto set = cedar::parse_policies(
        std::format("permit (principal, action, resource) when temporal {{ {} }};", shape.body),
        "bench", cedar::Naming::by_annotation, {.temporal = true});
    if (!set) {
      std::println("{}", set.error().detail);
      std::exit(1);
    }
    auto made = Condition::compile(*set->policies()[0].temporal[0].formula);
    if (!made) {
      std::println("{}", made.error().message);
      std::exit(1);
    }
    state_.attend(std::make_shared<const Monitor>(std::vector{*std::move(made)}));
  }

  void next() { fields_.set(++count_, arena_); }
  void tell(const cedar::EntityUid& action) {
    state_.observe({.action = action,
                    .groups = {},
                    .kind = "request",
                    .at = base::Time(std::chrono::milliseconds(10 * count_)),
                    .fields = &fields_});
  }
  cedar::Request request() {
    return {.principal = {"A::Agent", "me"},
            .action = pay,
            .resource = {"A::Tool", "pay"},
            .context = fields_.context(arena_)};
  }
  bool ask(const cedar::Request& request) {
    return state_.holds(0, request, cedar::EntityView(none_)).value_or(false);
  }
  std::size_t size() const { return state_.size(); }

  static constexpr cedar::EntityUid pay{"A::Action", "pay"};
  static constexpr cedar::EntityUid other{"A::Action", "other"};

 private:
  State state_;
  CallFields fields_;
  cedar::Arena arena_;
  cedar::Entities none_;
  std::size_t count_ = 0;
};

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t events = argc > 1 ? static_cast<std::size_t>(std::atoll(argv[1])) : 20'000;
  std::println("{:28} {:>10} {:>10} {:>10} {:>12}", "condition", "event", "other", "question",
               "state bytes");
  for (const Shape& shape : shapes) {
    Stream stream(shape);
    for (std::size_t i = 0; i < events; ++i) {
      stream.next();
      stream.tell(Stream::pay);
    }
    std::vector<double> told;
    std::vector<double> others;
    std::vector<double> asked;
    std::size_t yes = 0;
    for (int run = 0; run < 9; ++run) {
      constexpr int rounds = 2'000;
      std::chrono::nanoseconds telling{};
      std::chrono::nanoseconds passing{};
      std::chrono::nanoseconds asking{};
      for (int i = 0; i < rounds; ++i) {
        stream.next();
        const cedar::Request request = stream.request();
        const auto begin = Clock::now();  // tidy: this measures
        stream.tell(Stream::other);
        const auto between = Clock::now();  // tidy: this measures
        stream.tell(Stream::pay);
        const auto middle = Clock::now();  // tidy: this measures
        yes += stream.ask(request) ? 1U : 0U;
        const auto end = Clock::now();  // tidy: this measures
        passing += between - begin;
        telling += middle - between;
        asking += end - middle;
      }
      others.push_back(static_cast<double>(passing.count()) / rounds);
      told.push_back(static_cast<double>(telling.count()) / rounds);
      asked.push_back(static_cast<double>(asking.count()) / rounds);
    }
    std::println("{:28} {:>7.0f} ns {:>7.0f} ns {:>7.0f} ns {:>12} {}", shape.name, median(told),
                 median(others), median(asked), stream.size(), yes > 0 ? "" : "(never)");
  }
  return 0;
}
