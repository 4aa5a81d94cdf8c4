// Approval replay: whoever turned an agent tries to use a person's yes for anything but the one
// call that it was given for.
#pragma once
#include <chrono>
#include <format>
#include <string>

#include "gateway/approvals.h"
#include "json/value.h"
#include "world.h"

namespace simulated {

// One approved payment, and then what a turned agent makes of it. The number of replays, each
// refused; 0 when one of them got through, or the honest call did not.
inline int replay_approval(Dice& dice) {
  using namespace std::chrono_literals;
  gateway::Approvals approvals([](const std::string&, const std::optional<std::string>&) {});
  crypto::SeededRandom random(dice.next());
  base::Time now = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 1 / 5));
  const auto digest = [](std::string_view conversation, std::string_view tool,
                         const std::string& arguments) {
    return gateway::approval_digest(conversation, "bank", tool, "pin",
                                    json::Document::parse(arguments)->root());
  };
  const auto amount = 10 + dice.below(1'000);
  const std::string payment = std::format(R"({{"to":"acct-1","amount":{}}})", amount);
  const std::string honest = digest("c-1", "tools/call pay", payment);
  gateway::ApprovalRequest request;
  request.digest = honest;
  request.conversation = "c-1";
  request.level = 1;
  request.until = now + 15min;
  const auto opened = approvals.open(std::move(request), now, random);
  if (!opened || approvals.use(opened->id, "too early", now)) return 0;
  if (!approvals.answer(opened->id, true, "ana", "fine", 10min, now)) return 0;
  const auto usable = [&](const std::string& what) {
    const auto found = approvals.find(what, now);
    return found && found->state == gateway::ApprovalRequest::State::approved &&
           approvals.use(found->id, "another call", now);
  };
  int refused = 0;
  // Before the honest call: another amount, payee, spelling of the type, tool, conversation.
  for (const std::string& other :
       {digest("c-1", "tools/call pay",
               std::format(R"({{"to":"acct-1","amount":{}}})", amount + 1 + dice.below(5'000))),
        digest("c-1", "tools/call pay", std::format(R"({{"to":"acct-6","amount":{}}})", amount)),
        digest("c-1", "tools/call pay", std::format(R"({{"to":"acct-1","amount":"{}"}})", amount)),
        digest("c-1", "tools/call drain", payment), digest("c-2", "tools/call pay", payment)}) {
    if (usable(other)) return 0;
    ++refused;
  }
  now += std::chrono::seconds(dice.below(500));
  if (!usable(honest)) return 0;
  // After it: the same call again, at once and later.
  for (int again = 0; again < 3; ++again, now += 1min) {
    if (usable(honest) || approvals.use(opened->id, "again", now)) return 0;
    ++refused;
  }
  // Another yes that nobody used in time.
  gateway::ApprovalRequest late;
  late.digest = digest("c-1", "tools/call pay", R"({"to":"acct-2","amount":5})");
  late.conversation = "c-1";
  late.level = 1;
  late.until = now + 15min;
  const std::string of_late = late.digest;
  const auto second = approvals.open(std::move(late), now, random);
  if (!second || !approvals.answer(second->id, true, "ana", "fine", 10min, now)) return 0;
  now += 10min + std::chrono::seconds(1 + dice.below(600));
  return usable(of_late) ? 0 : refused + 1;
}

}  // namespace simulated
