#include "net/loop.h"

#include <doctest/doctest.h>

#include <semaphore>
#include <thread>
#include <vector>

using namespace latticegate;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// Stands still unless somebody moves it; the loop asks it, the test moves it.
class HandClock final : public base::Clock {
 public:
  base::Time now() const override { return base::Time(at_.time_since_epoch()); }
  base::Instant instant() const override { return at_; }
  void advance(milliseconds by) { at_ += by; }

 private:
  base::Instant at_{seconds(1)};
};

class Due final : public net::Deadline {
 public:
  bool is_late = false;

 private:
  void expire() override { is_late = true; }
};

}  // namespace

TEST_CASE("a deadline does not count the time for which the loop held everybody up") {
  HandClock clock;
  net::Loop loop(0, clock);
  Due due;
  const auto rounds = [&]() -> net::Task<void> {
    clock.advance(seconds(10));                // long work,
    loop.watch(due, loop.now() + seconds(3));  // then the other side gets three seconds
    for (int tenth = 0; tenth < 29; ++tenth) {
      co_await loop.yield();
      CHECK_FALSE(due.is_late);
      clock.advance(milliseconds(100));
    }
    clock.advance(seconds(20));  // held up again: what is left of the three seconds is still left
    co_await loop.yield();
    co_await loop.yield();
    CHECK_FALSE(due.is_late);
    for (int tenth = 0; tenth < 4; ++tenth) {
      clock.advance(milliseconds(100));
      co_await loop.yield();
    }
    CHECK(due.is_late);
    loop.stop();
  };
  net::TaskGroup tasks([](const std::exception_ptr& error) { std::rethrow_exception(error); });
  tasks.spawn(rounds());
  loop.run();
  loop.forget(due);
}

TEST_CASE("work for idle times waits while there is something to do, and no longer than 2 ms") {
  HandClock clock;
  net::Loop loop(0, clock);
  net::TaskGroup tasks([](const std::exception_ptr& error) { std::rethrow_exception(error); });
  int rounds = 0;
  int done_at = -1;
  const auto busy = [&](int most, milliseconds each) -> net::Task<void> {
    done_at = -1;
    loop.when_idle([&] { done_at = rounds; });
    for (rounds = 0; rounds < most; ++rounds) {
      clock.advance(each);
      co_await loop.yield();
    }
    loop.when_idle([&] { loop.stop(); });  // nothing else wakes it
  };
  SUBCASE("until the others are done") {
    tasks.spawn(busy(20, milliseconds(0)));
    loop.run();
    CHECK(done_at == 20);
  }
  SUBCASE("when the others take long") {
    tasks.spawn(busy(20, milliseconds(1)));
    loop.run();
    CHECK(done_at == 1);  // in the second round the clock had moved by 2 ms
  }
  SUBCASE("posted work comes first, work that it asks for comes later") {
    std::vector<int> order;
    loop.when_idle([&] {
      order.push_back(2);
      loop.when_idle([&] {
        order.push_back(3);
        loop.stop();
      });
    });
    loop.post([&] { order.push_back(1); });
    loop.run();
    CHECK(order == std::vector{1, 2, 3});
  }
}

TEST_CASE("work aside runs on another thread, lanes do not wait for each other") {
  const base::SystemClock clock;
  net::Loop loop(0, clock);
  std::thread::id waited, computed;
  std::binary_semaphore gate{0};
  int finished = 0;
  const auto wait_long = [&]() -> net::Task<void> {
    co_await loop.aside(net::Loop::Lane::waiting, [&] {
      gate.acquire();  // until the other lane has done its work
      waited = std::this_thread::get_id();
    });
    CHECK(std::this_thread::get_id() != waited);
    if (++finished == 2) loop.stop();
  };
  const auto compute = [&]() -> net::Task<void> {
    co_await loop.aside(net::Loop::Lane::computing, [&] { computed = std::this_thread::get_id(); });
    gate.release();
    if (++finished == 2) loop.stop();
  };
  net::TaskGroup tasks([](const std::exception_ptr& error) { std::rethrow_exception(error); });
  tasks.spawn(wait_long());
  tasks.spawn(compute());
  loop.run();
  CHECK(finished == 2);
  CHECK(waited != std::this_thread::get_id());
  CHECK(computed != std::this_thread::get_id());
  CHECK(waited != computed);
}

TEST_CASE("work that has not begun can be dropped") {
  const base::SystemClock clock;
  net::Loop loop(0, clock);
  std::binary_semaphore gate{0};
  bool first_done = false, second_done = false, second_ran = false;
  net::Loop::Aside* second = nullptr;
  const auto first = [&]() -> net::Task<void> {
    first_done = co_await loop.aside(net::Loop::Lane::computing, [&] { gate.acquire(); });
    loop.stop();
  };
  const auto behind_it = [&]() -> net::Task<void> {
    auto work = loop.aside(net::Loop::Lane::computing, [&] { second_ran = true; });
    second = &work;
    second_done = co_await work;
    gate.release();
  };
  const auto drop = [&]() -> net::Task<void> {
    while (second == nullptr) co_await loop.yield();
    co_await loop.yield();
    second->drop();
    second->drop();  // once more changes nothing
  };
  net::TaskGroup tasks([](const std::exception_ptr& error) { std::rethrow_exception(error); });
  tasks.spawn(first());
  tasks.spawn(behind_it());
  tasks.spawn(drop());
  loop.run();
  CHECK(first_done);
  CHECK_FALSE(second_done);
  CHECK_FALSE(second_ran);
}
