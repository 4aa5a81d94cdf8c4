// Exchange: one HTTP request of a client, from its message to the answer. exchange.cc is the life
// of a call as a list; relay.cc handles what carries no decision: handshake, lists, streams,
// notifications.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/acting.h"
#include "gateway/bodies.h"
#include "gateway/decoy.h"
#include "gateway/forward.h"
#include "gateway/outward.h"
#include "gateway/worker.h"
#include "mcp/revision.h"
#include "mcp/trace.h"

namespace latticegate::gateway {

class Exchange {
 public:
  // All arguments live until the exchange is over.
  Exchange(Worker& worker, net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
           const ServerRoute& route, std::shared_ptr<Admitted> admitted);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  net::Task<void> post();
  net::Task<void> listen();
  net::Task<void> end_session();

  // For a door (gateway/door.h): the message is in the server's own words already.
  struct Inside {
    mcp::Era era{};
    mcp::Message message;
    std::string client_id{};             // JSON text
    std::shared_ptr<Session> session{};  // at this server
    std::shared_ptr<Session> door{};     // legacy: the client's session, which holds that one
    const Outward* outward = nullptr;    // words for the client; null: as the server says it
    std::string spoken{};                // the client's name for what this is about
    std::int64_t bytes = 0;
    bool mirrored = true;                   // the client put arguments into headers
    bool streaming = false;                 // an answer as events has begun
    std::optional<std::uint64_t> stream{};  // then: where its events are kept
  };
  void begin(Inside inside);
  // Decides or passes on, and answers.
  net::Task<void> dispatch();
  // Takes in a list of the server's tools.
  void observe_tools(json::Value result);
  // Whether this caller may see an element of the list that the message asks for, a tool, a
  // resource.
  bool listed(json::Value element);
  bool sees(const std::shared_ptr<const ToolEntry>& tool);
  bool may_watch(std::string_view uri);
  // What inspection says of a part of a message. Awaitable.
  Inspection::Look look(inspect::Surface surface, const mcp::Message& message, json::Value part) {
    return worker_.inspection().look(surface, part, message.size());
  }
  // One notification or server request that belongs to a request or to the listening stream. False
  // when the client is gone.
  net::Task<bool> side_message(const mcp::Message& message);
  bool refuses_question(std::string_view method, const std::string& reason);
  // Of the questions that an answer of the modern era brings: the first that is refused.
  std::optional<std::string> refused_question(json::Value content);
  // Begins the answer as events. False when the client is gone.
  net::Task<bool> begin_events(bool listening = false);
  std::optional<std::uint64_t> stream() const { return stream_; }
  // For a client that comes back: sends again what it missed of an answer, and what follows. False
  // when it missed something of a stream for what belongs to no request: then begin_events() sends
  // that, and the stream goes on.
  net::Task<bool> resume(std::string_view last);
  // Asks the server for its tools, all pages of them.
  net::Task<base::Result<void>> learn_tools();

 private:
  // exchange.cc: requests that are decided; answer.cc: how they end, and their answers;
  // call_record.cc: what is recorded of them; origins.cc: where they come from; planted.cc: decoys
  net::Task<void> call();
  net::Task<bool> admit();
  bool may_see();
  void leave_out_nulls();
  // The arguments that are judged: of the call, or of the call that began a task.
  json::Value arguments() const {
    return (task_call_ ? *task_call_ : *message_).params()["arguments"];
  }
  // What the client calls the tool that this is about.
  std::string_view tool_name() const {
    return task_call_ ? mcp::subject_of(*task_call_) : subject_;
  }
  bool arguments_fit(std::string& sentence) const;
  policy::Facts facts() const;
  // What the policies of the shadow say; nothing follows from it.
  void ask_shadow(policy::Facts facts, policy::Judgement::Kind decided);
  void ask_shadow_again(const policy::Facts& after, bool conspicuous, bool lets_out);
  void compare_shadow(policy::Judgement::Kind decided);
  void add_shadow(audit::Record& record) const;
  void note_asked(const policy::Facts& facts, std::span<const policy::Obligation> due);
  void add_question(audit::Record& record);
  // The records' views are of parts_, and good until the next of these calls.
  void add_parts(audit::Record& record, const inspect::Findings& found);
  void add_approval(audit::Record& record);
  // The body as it is kept, if it is.
  std::unique_ptr<const store::KeptBody> keep(BodyKind kind, json::Value body,
                                              const inspect::Findings& findings) const;
  std::unique_ptr<const store::KeptBody> keep_request(audit::Record& record) const;
  // The question in one body with the request's params, where questions are sealed.
  std::unique_ptr<const store::KeptBody> with_question(
      std::unique_ptr<const store::KeptBody> params) const;
  bool seals_questions() const;
  std::string_view domain() const;  // kind of data; empty: none is configured
  // For operators; without values where one of them may be a secret.
  std::string explain(const policy::Denial& denial) const;
  bool holds_secret() const;
  std::string_view named() const;
  // Where the arguments come from; and remembers where an answer, or what a server says beside it,
  // came from.
  behaviour::Who who() const;
  void hear_purpose();
  void trace_arguments();
  // A planted value that came back, in a part of a message: a signal.
  void look_for_planted(json::Value part, const inspect::Findings& found, std::string_view where);
  // Answers with a decoy if one of the policies that refuse wants it.
  bool answers_with_decoy(const policy::Denial& denial);
  net::Task<void> answer_decoy();
  // Takes out what an operator says is no finding.
  void leave_out(inspect::Findings& findings) const;
  void hold_to_promise(json::Value answer, inspect::Findings& found) const;
  void trace_answer(json::Value content, const inspect::Findings& found);
  Labels labels() const;
  net::Task<std::optional<policy::Permit>> decide();
  net::Task<std::optional<store::Ticket>> record(const policy::Permit& permit);
  std::optional<policy::Denial> throttled(const policy::Permit& permit) const;
  // Of the policies, with an approval if there is one for exactly this call.
  policy::Decision judge();
  net::Task<void> deny(const policy::Denial& denial, std::int64_t level);
  void record_denial(const policy::Denial& denial, std::int64_t level);
  net::Task<void> answer_denial(const policy::Denial& denial, std::string_view more);
  // approval.cc: a person's yes.
  void look_for_approval();
  void ask_digest();
  // Asks for one, or finds what was asked for: in words for the client and the record.
  void ask_for_approval(const policy::Challenge& challenge);
  // Holds the call until the request is answered. True when it is approved.
  net::Task<bool> approval_comes();
  // The call begins anew, as if the client had repeated it.
  void begin_again();
  // ask_client.cc: the same person, in the client's own channel, where policies let it.
  static bool asks_client(const policy::Challenge& challenge);
  // Legacy: puts the question on the answer's stream. Its id; nothing when it cannot be asked.
  net::Task<std::optional<std::string>> put_question();
  // Modern: the question as the answer of this round; then, the round with the answer.
  std::optional<std::string> question_as_result();
  void take_client_answer();
  // Of the trace that the client names, before the message leaves: the span is ours.
  void take_trace();
  net::Task<void> refuse_call(std::string_view sentence, std::string_view rule);
  net::Task<void> answer_unknown();
  net::Task<void> deliver(std::unique_ptr<Reply> reply, const policy::Permit& permit);
  net::Task<void> release(const mcp::Message& response, const policy::Permit& permit,
                          const inspect::Findings& found);
  // Words that may quote the call, with the secrets in them taken out.
  std::string without_secrets(std::string_view words) const;
  void carry_out(std::span<const policy::Obligation> obligations, std::string_view reason);
  void finish_record(audit::Outcome outcome, std::optional<std::int64_t> code,
                     std::string_view error);
  // outcome.cc: a decided call is over; for metrics, objectives and the ladder.
  void call_is_over(audit::Outcome outcome);
  // Why nobody may call this server or tool now; for the client.
  std::optional<std::string> halted() const;
  net::Task<void> refuse_halted(std::string_view sentence);

  // relay.cc: requests that are passed on, and everything that flows beside the answers
  net::Task<void> relay();
  net::Task<void> initialize();
  net::Task<void> pump(std::unique_ptr<Reply> reply);
  net::Task<void> notification();
  net::Task<void> server_answer();
  std::string filtered(const mcp::Message& response);
  std::vector<json::Edit> list_edits(json::Value result);

  // From before anything is sent until the answer is complete: a kill ends it, and a client that
  // cancels or ends its session, or leaves in the modern era.
  void watch_for_end();
  void stop_watching();
  void end_now();
  bool must_end() const { return killed_ || stopping_ || gone_ || cancelled_ || over_; }
  // The server forgot the session (404): the client hears the same and begins a new one.
  bool session_is_lost(const Reply& reply) const;
  net::Task<bool> reopen(Outgoing& message);
  net::Task<void> lose_session();
  // No answer can be used: logged, and the sentence for the client with its code.
  struct Trouble {
    audit::Outcome outcome{};
    int code = 0;
    std::string_view sentence;
  };
  Trouble trouble(const std::optional<base::Error>& error) const;

  // answering
  // A modern answer names its result's type, also when an older server left it out.
  std::string with_result_type(std::string text, const mcp::Message& response) const;
  net::Task<bool> event(std::string_view text);
  net::Task<void> final(std::string_view text, int status = 200, std::string_view headers = {});
  net::Task<void> reject(int status, int code, std::string_view sentence,
                         std::string_view data = {});
  net::Task<void> killed_answer();
  Outgoing outgoing(std::vector<json::Edit> edits);
  audit::Record base_record(audit::Type type);
  std::shared_ptr<Conversation> conversation() const;
  base::Time now() const { return worker_.shared().clock.now(); }
  bool modern() const { return era_ == mcp::Era::modern; }

  Worker& worker_;
  net::ServerRequest& request_;
  std::shared_ptr<const Snapshot> snapshot_;
  const ServerRoute& route_;
  std::shared_ptr<Admitted> admitted_;
  std::shared_ptr<Session> door_;
  const Outward* outward_ = nullptr;
  std::string spoken_;
  bool mirrors_checked_ = false;
  mcp::Era era_ = mcp::Era::legacy;
  std::optional<mcp::Message> message_;
  std::shared_ptr<Session> session_;
  std::string upstream_id_;   // JSON text
  std::string client_id_;     // JSON text
  std::string client_token_;  // JSON text of the progress token; empty without one
  // While something is under way upstream, and for how it may end before.
  OpenCalls::Handle open_;
  OpenCalls::Handle open_in_session_;  // legacy
  net::Abort abort_;
  Reply* running_ = nullptr;
  Inspection::Look* looking_ = nullptr;  // at the answer
  bool streaming_ = false;
  std::optional<std::uint64_t> stream_;  // of session_->events; legacy
  bool own_stream_ = false;              // which this began
  std::vector<Events::Event> missed_;
  bool killed_ = false;
  bool stopping_ = false;   // the gateway ends
  bool gone_ = false;       // the client went away
  bool cancelled_ = false;  // the client has no use for the answer
  bool over_ = false;       // its session has ended

  // of a decided call
  std::shared_ptr<const ToolEntry> tool_;
  std::shared_ptr<const mcp::Message> task_call_;  // that began the task which this is about
  std::string_view subject_;
  std::shared_ptr<Conversation> conversation_;
  inspect::Findings findings_;
  const inspect::Findings* found_ = nullptr;  // in the answer, while it is released
  behaviour::Risk risk_;
  bool risk_known_ = false;
  std::vector<std::string> taint_;  // of the conversation
  Secured upstream_;
  struct Parts {
    std::vector<audit::Finding> findings;
    std::vector<std::string_view> labels;
    std::vector<std::string_view> signals;
    std::vector<std::string_view> taint;
    std::string approver;
  };
  Parts parts_;
  Acting acting_;
  provenance::Origins origins_;
  provenance::Explained explained_;
  std::string digest_;  // of what an approval would be for; empty until it is needed
  std::unique_ptr<const ApprovalRequest> approval_;  // the request for it, whatever came of it
  std::string approval_words_;
  bool client_may_answer_ = false;  // the request that is open now
  bool client_lifts_ = false;       // its answer counts for what holds now
  std::optional<Decoy> decoy_;
  std::optional<mcp::TraceContext> trace_;
  std::string span_;
  std::string recorded_id_;      // client_id_ without secrets
  std::string question_;         // as the record has it
  std::string sealed_question_;  // as it is kept beside the record, if it is
  bool log_full_ = false;        // a policy wants all of it recorded
  std::unique_ptr<const store::KeptBody> kept_answer_;
  // What the shadow says otherwise.
  bool shadow_differs_ = false;
  bool shadow_of_answer_ = false;  // the call is the same to both
  policy::Judgement shadow_;
  std::string shadow_why_;
  std::optional<std::uint64_t> asked_;
  crypto::Uuid call_uid_;
  std::string call_text_;
  base::Instant started_{};
  base::Instant left_{};                // when the call was sent to the server
  std::chrono::nanoseconds outside_{};  // time that server and people took
  bool by_ladder_ = false;              // only the ladder refused it
  base::Time at_{};  // of the call, then of its answer: what policy and behaviour take for now
  std::uint64_t rows_ = 0;
  std::int64_t bytes_in_ = 0;
  std::int64_t bytes_out_ = 0;
  std::int64_t bytes_read_ = -1;  // of the answer, as policies see them; none without one
  std::uint64_t redacted_ = 0;
  std::int64_t inspect_ns_ = 0;
};

}  // namespace latticegate::gateway
