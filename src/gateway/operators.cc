#include "gateway/operators.h"

#include <algorithm>

#include "gateway/worker.h"
#include "identity/pseudonym.h"
#include "inspect/redact.h"
#include "json/write.h"

namespace latticegate::gateway {

bool knows(const Shared& shared, std::string_view person) {
  const auto snapshot = shared.snapshot.load();
  const auto& users = snapshot->config->users;
  return users.empty() ||
         std::ranges::any_of(users, [&](const auto& user) { return user.id.value() == person; });
}

std::string mark_of(const Shared& shared, std::string_view person) {
  return person.empty() ? std::string() : identity::person_pseudonym(shared.person_key, {}, person);
}

std::string without_secrets(Worker& worker, std::string_view words) {
  const inspect::Findings found =
      inspect::scan_text(worker.inspection().scanner(), inspect::Surface::arguments, words);
  return inspect::redact_text(words, found, {.key = worker.shared().redaction_key});
}

std::string refusal(std::string_view sentence) {
  std::string out;
  json::Writer(out).begin_object().member("error", sentence).end_object();
  return out;
}

}  // namespace latticegate::gateway
