#include "store/append.h"

#include <utility>

namespace latticegate::store {

Append::~Append() {
  base::check(state_ != State::queued, "an append outlives its way to the disk");
}

void Append::set(audit::Leaf leaf, const crypto::Uuid& call_uid, std::uint32_t home, void* waiter,
                 std::unique_ptr<const KeptBody> body) {
  base::check(state_ != State::queued, "an append is not changed on its way to the disk");
  base::check((leaf.body_at != 0) == (body != nullptr), "a body has its place in the leaf");
  leaf_.assign(leaf.text);
  body_ = std::move(body);
  seq_at_ = leaf.seq_at;
  body_at_ = leaf.body_at;
  call_uid_ = call_uid;
  home_ = home;
  waiter_ = waiter;
  next_ = nullptr;
  state_ = State::ready;
}

base::Result<Ticket> Append::take_ticket() {
  const State state = std::exchange(state_, State::idle);
  if (state == State::durable) return Ticket(call_uid_, seq_);
  base::check(state == State::failed, "a ticket is asked for once, after the notification");
  return base::fail(base::Code::unavailable, "the decision could not be recorded");
}

}  // namespace latticegate::store
