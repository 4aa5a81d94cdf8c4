#include "gateway/recorder.h"

#include <coroutine>
#include <utility>

namespace latticegate::gateway {

base::Result<std::unique_ptr<Recorder>> Recorder::open(store::JournalOptions options,
                                                       const base::Clock& clock,
                                                       store::Files& files,
                                                       std::vector<net::Loop*> loops) {
  // One wake-up per loop and batch: the whole list of a loop's records is handed over at once.
  std::unique_ptr<Recorder> recorder(new Recorder);  // tidy: the constructor is private
  recorder->blocking_home_ = static_cast<std::uint32_t>(loops.size());
  recorder->homes_ = std::vector<Home>(loops.size());
  auto notify = [loops = std::move(loops), &awaited = recorder->awaited_](std::uint32_t home,
                                                                          store::Append* list) {
    if (home == loops.size()) {
      awaited.done(list);
      return;
    }
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
  recorder->journal_ = *std::move(journal);
  return recorder;
}

base::Result<std::uint64_t> Recorder::write(audit::Leaf leaf) {
  store::Append append;
  append.set(leaf, {}, blocking_home_, nullptr);
  if (auto queued = journal_->submit(append); !queued)
    return std::unexpected(std::move(queued).error());
  awaited_.wait_for(1);
  const auto ticket = append.take_ticket();
  if (!ticket) return std::unexpected(ticket.error());
  return ticket->seq();
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
    submitted = journal.submit(append, store::Commit::later);
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
  if (!std::exchange(homes_[loop.index()].commits, true))
    loop.when_idle([this, &home = homes_[loop.index()]] {
      home.commits = false;
      journal_->commit();
    });
  co_return co_await durable;
}

void Recorder::post(audit::Leaf leaf, std::unique_ptr<const store::KeptBody> body) {
  (void)journal_->post(leaf, std::move(body));
}

}  // namespace latticegate::gateway
