// The catalogue of one server: its tools as it last listed them, each with its pin, its schema and
// its place in the policy model. What differs from its pin is held back until an operator approves
// it.
//
// Safe from any thread: look-ups take a shared lock; entries are immutable.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "gateway/memory.h"
#include "inspect/pin.h"
#include "inspect/schema.h"
#include "json/value.h"
#include "mcp/mirror.h"
#include "policy/engine.h"
#include "policy/tool.h"

namespace latticegate::gateway {

// What the configuration says about a server.
policy::ServerFacts facts_of(const config::Server& server);
// What the configuration says about a tool, merged with what it says about its server.
policy::ToolFacts facts_of(const config::Server& server, std::string_view tool);

// The pins of all servers, kept in memory across restarts.
class Pins {
 public:
  explicit Pins(Memory& memory) : memory_(memory) {}
  [[nodiscard]] base::Result<void> restore();

  struct Seen {
    inspect::PinState state{};  // before this look
    bool first_news = false;    // this form was not known as pending before
    std::string approved_hash;  // empty when there is none
  };
  // Judges a form; one that was never seen is approved at once when `approve_new`. What is new is
  // kept by keep_news(), once for a whole list: the book is written as one. `doubted`: what was
  // approved on first sight at that time or later does not count.
  Seen observe(const inspect::PinSubject& subject, const inspect::Fingerprint& form,
               bool approve_new, std::optional<base::Time> doubted, base::Time now);
  void keep_news();
  [[nodiscard]] base::Result<void> approve(const inspect::PinSubject& subject,
                                           std::string_view hash, std::string_view by,
                                           base::Time now);
  inspect::PinBook book() const;

 private:
  void keep();
  mutable std::mutex mutex_;
  bool news_ = false;
  inspect::PinBook book_;
  Memory& memory_;
};

struct ToolEntry {
  std::string name;
  inspect::Fingerprint form;
  bool held = false;                         // not to be listed or called until approved
  std::string why_held;                      // for operators
  std::string suspicion;                     // why nobody should trust it unseen; empty: no reason
  std::shared_ptr<const policy::Tool> tool;  // null when it cannot be judged; `why_held` says why
  std::optional<inspect::Schema> schema;
  std::optional<inspect::Schema> promise;  // outputSchema; nothing where there is none to check
  // Arguments that the modern era mirrors in headers.
  std::vector<mcp::Mirror> mirrored;
};

class Catalogue {
 public:
  // `server` is one of the configuration's. A tool under which a policy of `engine` stops
  // type-checking is hidden; null (observe mode): none is.
  Catalogue(std::shared_ptr<const config::Config> config, const config::Server& server, Pins& pins,
            const base::Log& log, std::shared_ptr<const policy::Engine> engine);

  std::shared_ptr<const ToolEntry> find(std::string_view tool) const;
  using Held = std::function<void(const ToolEntry&, std::string_view approved)>;
  // Takes in one descriptor of tools/list. `judge` is asked of a form that is not known yet: why it
  // is not approved on first sight, or nothing. Tells `held` when this form is held back for the
  // first time.
  std::shared_ptr<const ToolEntry> observe(json::Value descriptor,
                                           const std::function<std::string()>& judge,
                                           base::Time now, const Held& held);
  // Holds a tool back that was approved on first sight and turns out to be suspicious next to the
  // tools of other servers. Without effect where a person approved it, or where it has been there
  // for a day: a new server must not be able to have the tools of the others held back.
  void doubt(std::string_view tool, const std::string& why, base::Time now, const Held& held);
  // The server's whole list as it was last told, by names; and the tools of it, if it is not older
  // than a minute.
  void listed(std::vector<std::string> names, base::Instant now);
  std::optional<std::vector<std::shared_ptr<const ToolEntry>>> fresh(base::Instant now) const;
  // Prompts whose names doors shorten, as they are listed (gateway/naming.h).
  void note_prompt(std::string_view outward, std::string_view name);
  std::optional<std::string> prompt(std::string_view outward) const;
  // After the descriptors of a list were observed.
  void keep_news();
  // Server instructions; false when they differ from what was approved, or are suspicious and
  // nobody approved them.
  bool observe_instructions(std::string_view text, std::string_view suspicion, base::Time now);
  // After an approval: entries are judged again when they are listed next, held ones at once.
  void approved(std::string_view tool);
  std::vector<std::shared_ptr<const ToolEntry>> entries() const;
  const policy::ServerFacts& facts() const { return facts_; }

 private:
  std::shared_ptr<const config::Config> config_;
  const config::Server& server_;
  const config::Inspect& inspect_;
  Pins& pins_;
  const base::Log& log_;
  std::shared_ptr<const policy::Engine> engine_;
  policy::ServerFacts facts_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<const ToolEntry>, std::less<>> entries_;
  std::map<std::string, std::string, std::less<>> prompts_;
  std::vector<std::string> listed_;
  std::optional<base::Instant> listed_at_;
};

}  // namespace latticegate::gateway
