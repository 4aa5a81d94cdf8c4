#include "gateway/inspection.h"

#include <utility>

namespace latticegate::gateway {
namespace {

// Up to here looking takes about as long as handing over; above, others would notice.
constexpr std::size_t most_at_once = std::size_t{128} * 1024;

// Strings of a message are never longer than its text.
inspect::ScanLimits all_of(std::size_t text) { return {.bytes = base::Bytes{text}}; }

}  // namespace

base::Result<std::unique_ptr<Inspection>> Inspection::make(
    net::Loop& loop, std::shared_ptr<const inspect::RuleSet> rules) {
  auto scanner = inspect::Scanner::create(rules);
  if (!scanner) return std::unexpected(std::move(scanner).error());
  return std::unique_ptr<Inspection>(new Inspection(loop, std::move(rules), *std::move(scanner)));
}

Inspection::Inspection(net::Loop& loop, std::shared_ptr<const inspect::RuleSet> rules,
                       inspect::Scanner scanner)
    : loop_(loop), rules_(std::move(rules)), here_(std::move(scanner)) {}

base::Result<void> Inspection::use(std::shared_ptr<const inspect::RuleSet> rules) {
  if (auto used = here_.use(rules); !used) return used;
  rules_ = std::move(rules);
  return {};
}

bool Inspection::Look::await_ready() {
  if (most_ > most_at_once) return false;
  found_ = inspect::scan(inspection_.here_, surface_, value_, all_of(most_));
  return true;
}

void Inspection::Look::await_suspend(std::coroutine_handle<> awaiting) {
  aside_.emplace(inspection_.loop_, net::Loop::Lane::computing, [this, rules = inspection_.rules_] {
    found_ = inspection_.look_aside(rules, surface_, value_, most_);
  });
  aside_->await_suspend(awaiting);
}

inspect::Findings Inspection::Look::await_resume() {
  if (aside_) looked_ = aside_->await_resume();
  return std::move(found_);
}

void Inspection::Look::drop() {
  if (aside_) aside_->drop();
}

inspect::Findings Inspection::look_aside(const std::shared_ptr<const inspect::RuleSet>& rules,
                                         inspect::Surface surface, json::Value value,
                                         std::size_t most) {
  bool ready = aside_.has_value();
  if (!ready) {
    if (auto made = inspect::Scanner::create(rules)) {
      aside_.emplace(*std::move(made));
      ready = true;
    }
  } else if (&aside_->rules() != rules.get()) {
    ready = aside_->use(rules).has_value();
  }
  if (ready) return inspect::scan(*aside_, surface, value, all_of(most));
  inspect::Findings unknown;  // no memory to scan with: policies hear that nobody looked
  unknown.skipped = most;
  return unknown;
}

}  // namespace latticegate::gateway
