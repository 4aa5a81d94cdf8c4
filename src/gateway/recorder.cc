#include "gateway/recorder.h"

#include <coroutine>

namespace latticegate::gateway {

base::Result<std::unique_ptr<Recorder>> Recorder::open(store::JournalOptions options,
                                                       const base::Clock& clock,
                                                       store::Files& files,
                                                       std::vector<net::Loop*> loops) {
  // One wake-up per loop and batch: the whole list of a loop's records is handed over at once.
  auto notify = [loops = std::move(loops)](std::uint32_t home, store::Append* list) {
    loops[home]->post([list] {
      for (store::Append* append = list; append != nullptr;) {
        store::Append* const next = append->next();
        std::coroutine_handle<>::from_address(append->waiter()).resume();
        append = next;
      }
    });
  };
  auto journal = store::Journal::open(std::move(options), clock, files, std::move(notify));
  if (!journal) return std::unexpected(std::move(journal).error());
  return std::unique_ptr<Recorder>(new Recorder(*std::move(journal)));
}

namespace {

struct Durable {
  store::Journal& journal;
  store::Append& append;
  audit::Leaf leaf;
  std::unique_ptr<const store::KeptBody> body;
  const crypto::Uuid& call_uid;
  std::uint32_t home;
  base::Result<void> submitted;

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> awaiting) {
    append.set(leaf, call_uid, home, awaiting.address(), std::move(body));
    submitted = journal.submit(append);
    return submitted.has_value();
  }
  base::Result<store::Ticket> await_resume() {
    if (!submitted) return std::unexpected(std::move(submitted).error());
    return append.take_ticket();
  }
};

}  // namespace

net::Task<base::Result<store::Ticket>> Recorder::begin(
    net::Loop& loop, store::Append& append, audit::Leaf leaf, const crypto::Uuid& call_uid,
    std::unique_ptr<const store::KeptBody> body) {
  Durable durable{*journal_, append, leaf, std::move(body), call_uid, loop.index(), {}};
  co_return co_await durable;
}

void Recorder::post(audit::Leaf leaf, std::unique_ptr<const store::KeptBody> body) {
  (void)journal_->post(leaf, std::move(body));
}

}  // namespace latticegate::gateway
