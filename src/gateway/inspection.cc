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
    net::Loop& loop, std::shared_ptr<const inspect::RuleSet> rules,
    inspect::SecondOpinion opinion) {
  auto scanner = inspect::Scanner::create(rules);
  if (!scanner) return std::unexpected(std::move(scanner).error());
  return std::unique_ptr<Inspection>(new Inspection(
      loop, {.rules = std::move(rules), .opinion = std::move(opinion)}, *std::move(scanner)));
}

Inspection::Inspection(net::Loop& loop, Judges judges, inspect::Scanner scanner)
    : loop_(loop), judges_(std::move(judges)), here_(std::move(scanner)) {}

base::Result<void> Inspection::use(std::shared_ptr<const inspect::RuleSet> rules,
                                   inspect::SecondOpinion opinion) {
  if (auto used = here_.use(rules); !used) return used;
  judges_ = {.rules = std::move(rules), .opinion = std::move(opinion)};
  return {};
}

bool Inspection::Look::await_ready() {
  if (most_ > most_at_once || inspection_.judges_.opinion.is_asked(surface_)) return false;
  found_ = inspect::scan(inspection_.here_, surface_, value_, all_of(most_));
  return true;
}

void Inspection::Look::await_suspend(std::coroutine_handle<> awaiting) {
  aside_.emplace(inspection_.loop_, net::Loop::Lane::computing,
                 [this, judges = inspection_.judges_] {
                   found_ = inspection_.look_aside(judges, surface_, value_, most_);
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

inspect::Findings Inspection::look_aside(const Judges& judges, inspect::Surface surface,
                                         json::Value value, std::size_t most) {
  bool ready = aside_.has_value();
  if (!ready) {
    if (auto made = inspect::Scanner::create(judges.rules)) {
      aside_.emplace(*std::move(made));
      ready = true;
    }
  } else if (&aside_->rules() != judges.rules.get()) {
    ready = aside_->use(judges.rules).has_value();
  }
  if (ready) aside_->ask(judges.opinion);
  if (ready) return inspect::scan(*aside_, surface, value, all_of(most));
  inspect::Findings unknown;  // no memory to scan with: policies hear that nobody looked
  unknown.skipped = most;
  return unknown;
}

}  // namespace latticegate::gateway
