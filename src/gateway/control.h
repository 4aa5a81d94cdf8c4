// The management socket: JSON over HTTP on a Unix socket that only its owner may open. What
// `latticegate status`, `kill`, `release`, `tools` and `reload` talk to.
//
//   GET  /metrics                      for collectors, as on listen.metrics
//   GET  /metrics/list                 all of them as a table in Markdown
//   GET  /v1/status                    counters, log, sessions
//   GET  /v1/conversations             who talks, with totals; killed ones with reason
//   POST /v1/kill, /v1/quarantine, /v1/release    see gateway/response.h
//   GET  /v1/quarantines               what is in quarantine, and until when
//   GET  /v1/approvals                 calls that wait for a person's yes, and what came of others
//   POST /v1/approvals {"id": ID, "approve": BOOL, "by": PERSON, "reason": ...}
//   GET  /v1/agents                    names of the agents that are known
//   POST /v1/agents    {"agent": NAME, "order": "show", "ratify", "lock", "unlock",
//                      "forget" or "reset"}
//   GET  /v1/tools                     every known tool with its pin; held ones with the diff
//   POST /v1/approve   {"server": S, "tool": T, "hash": optional}   (instructions: "tool": "")
//   POST /v1/reload
//   POST /v1/audit/reveal | erase | retain      see gateway/desk_request.h
#pragma once
#include <functional>
#include <string>

#include "gateway/custody.h"
#include "gateway/response.h"
#include "gateway/worker.h"

namespace latticegate::gateway {

class Control final : public net::Handler {
 public:
  // `worker` is the one of the loop that serves the socket.
  Control(Worker& worker, Custody& custody, Response& response,
          std::function<base::Result<void>()> reload)
      : worker_(worker), custody_(custody), response_(response), reload_(std::move(reload)) {}
  net::Task<void> handle(net::ServerRequest& request) override;

 private:
  using Answer = ControlAnswer;
  Answer status() const;
  Answer conversations() const;
  Answer tools() const;
  Answer approve(json::Value body);
  Answer approvals() const;
  Answer answer_approval(json::Value body);
  Answer agents() const;
  Answer agent(json::Value body);
  net::Task<Answer> at_desk(std::string_view what, json::Value body);
  Worker& worker_;
  Custody& custody_;
  Response& response_;
  std::function<base::Result<void>()> reload_;
};

}  // namespace latticegate::gateway
