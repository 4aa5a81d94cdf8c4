// Doorway: one HTTP request to a door (gateway/door.h).
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/cursor.h"
#include "gateway/exchange.h"
#include "gateway/incoming.h"

namespace latticegate::gateway {

class Doorway {
 public:
  // All arguments live until the request is over; `door` is the snapshot's.
  Doorway(Worker& worker, net::ServerRequest& request, std::shared_ptr<const Snapshot> snapshot,
          const Door& door, std::shared_ptr<Admitted> admitted);
  Doorway(const Doorway&) = delete;
  Doorway& operator=(const Doorway&) = delete;

  net::Task<void> post();
  net::Task<void> listen();
  net::Task<void> end_session();

 private:
  struct Part;   // what one server answered
  struct Round;  // one question to several servers; outlives this when a server is late
  struct Hub;    // what several servers tell, as one stream
  struct Found;  // a tool that search may show

  // doorway.cc: what is for one server, and what opens and ends
  net::Task<void> request();
  net::Task<void> call();
  struct Target {
    const DoorServer* server = nullptr;
    std::string name;  // empty: has to be looked up, `outward` is shortened
    std::string outward;
  };
  std::optional<Target> tool_of(std::string_view name) const;
  std::optional<Target> prompt_of(std::string_view name) const;
  std::optional<Target> resource_of(std::string_view uri) const;
  std::optional<Target> task_of(std::string_view spoken) const;
  std::optional<Target> target(std::vector<json::Edit>& edits) const;
  net::Task<bool> look_up(Target& target, const std::shared_ptr<Session>& session);
  net::Task<void> unknown(std::string_view spoken);
  void record(std::string_view server, audit::Outcome outcome, std::string_view why);
  net::Task<void> open_session();
  net::Task<void> notification();
  net::Task<void> server_answer();
  net::Task<base::Result<std::shared_ptr<Session>>> session_at(const ServerRoute& route);

  // door_lists.cc: what is merged
  net::Task<bool> gather(const std::shared_ptr<Round>& round);
  static net::Task<void> ask_one(std::shared_ptr<Round> round, std::size_t at);
  static net::Task<base::Result<void>> tell(Round& round, Part& part);
  static net::Task<base::Result<mcp::Message>> ask(Round& round, Part& part, mcp::Method method,
                                                   std::string_view params);
  std::shared_ptr<Round> round(mcp::Method method, std::string_view params = {}) const;
  net::Task<void> list();
  void take_in(Part& part);
  net::Task<void> discover();
  std::string offer(const Round& round);
  std::string instructions(Round& round);
  bool sees_any(const DoorServer& server, const std::shared_ptr<Session>& session);
  std::string describe(const DoorServer& server, mcp::Method list, json::Value element) const;
  std::string_view name_of(const DoorServer& server, std::string_view tool,
                           std::string& room) const;
  net::Task<void> set_level();
  net::Task<std::optional<std::vector<Found>>> tools();
  net::Task<void> search_tools();
  net::Task<void> describe_tools();
  net::Task<void> tool_result(std::string_view structured);

  // door_streams.cc
  net::Task<void> subscribe();
  net::Task<void> stream(std::shared_ptr<Hub> hub, Exchange& owner, std::string first);
  static net::Task<void> pump(std::shared_ptr<Hub> hub, std::size_t at);

  // A server's Exchange for what is seen and told beside calls.
  std::unique_ptr<Exchange> view(const DoorServer& server, mcp::Method method,
                                 std::shared_ptr<Session> session, bool streaming = false,
                                 std::optional<std::uint64_t> stream = {}) const;
  net::Task<void> final(std::string_view text);
  net::Task<void> fail(int code, std::string_view sentence, std::string_view data = {});
  net::Task<void> killed();
  bool modern() const { return era_ == mcp::Era::modern; }
  std::string own_meta() const;
  CursorBinding binding() const;

  Worker& worker_;
  net::ServerRequest& request_;
  std::shared_ptr<const Snapshot> snapshot_;
  const Door& door_;
  std::shared_ptr<Admitted> admitted_;
  mcp::Era era_ = mcp::Era::legacy;
  std::optional<mcp::Message> message_;
  std::string client_id_;  // JSON text
  std::int64_t bytes_ = 0;
  bool mirrored_ = true;
  std::shared_ptr<Session> session_;  // legacy
};

}  // namespace latticegate::gateway
