#include "gateway/catalogue.h"

#include <format>
#include <utility>

#include "json/write.h"

namespace latticegate::gateway {
namespace {

using inspect::PinState;
using inspect::PinSubject;

constexpr std::size_t most_prompts = 4096;
constexpr std::chrono::hours settled{24};
constexpr std::string_view first_sight = "first sight";  // who approves what nobody looked at

// What is wrong with a text by itself was so from the beginning.
std::optional<base::Time> ever(bool doubted) {
  return doubted ? std::optional(base::Time{}) : std::nullopt;
}

policy::Effects effects_of(const config::Effects& effects) {
  return {effects.read, effects.write, effects.destructive, effects.egress, effects.actuate};
}

}  // namespace

policy::ServerFacts facts_of(const config::Server& server) {
  return {.name = server.name,
          .segment = server.segment,
          .region = server.region,
          .verified = server.verified,
          .domains = server.domains,
          .sensitivity = server.sensitivity};
}

policy::ToolFacts facts_of(const config::Server& server, std::string_view name) {
  policy::ToolFacts facts;
  facts.effects = effects_of(server.effects);
  facts.domains = server.domains;
  facts.sensitivity = server.sensitivity;
  if (const auto found = server.tools.find(name); found != server.tools.end()) {
    const config::Tool& tool = found->second;
    if (tool.effects.any()) facts.effects = effects_of(tool.effects);
    if (tool.domains) facts.domains = *tool.domains;
    if (tool.sensitivity) facts.sensitivity = *tool.sensitivity;
    facts.segment = tool.segment;
    facts.region = tool.region;
    facts.retention_years = tool.retention_years;
  }
  return facts;
}

base::Result<void> Pins::restore() {
  for (const store::State::Entry& entry : memory_.remembered("pins")) {
    auto book = inspect::PinBook::from_json(entry.value);
    if (!book) return base::within("the saved pins cannot be read", std::move(book).error());
    book_ = *std::move(book);
  }
  return {};
}

void Pins::keep() { memory_.put("pins", "book", book_.to_json()); }

Pins::Seen Pins::observe(const PinSubject& subject, const inspect::Fingerprint& form,
                         bool approve_new, std::optional<base::Time> doubted, base::Time now) {
  const std::scoped_lock lock(mutex_);
  Seen seen;
  seen.state = book_.judge(subject, form);
  if (doubted && seen.state == PinState::same &&
      book_.revoke(subject, first_sight, *doubted, now)) {
    news_ = true;
    seen.state = book_.judge(subject, form);
    seen.first_news = true;
    return seen;
  }
  const inspect::Fingerprint* const approved = book_.approved(subject);
  if (approved != nullptr) seen.approved_hash = approved->hash;
  if (seen.state == PinState::same) return seen;
  if (seen.state == PinState::unseen && approve_new) {
    book_.approve(subject, form, first_sight, now);
    news_ = true;
    return seen;
  }
  const inspect::PinEntry* const entry = book_.find(subject);
  seen.first_news = entry == nullptr || !entry->pending || entry->pending->hash != form.hash;
  if (seen.first_news) {
    book_.observe(subject, form, now);
    news_ = true;
  }
  return seen;
}

void Pins::keep_news() {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(news_, false)) keep();
}

base::Result<void> Pins::approve(const PinSubject& subject, std::string_view hash,
                                 std::string_view by, base::Time now) {
  const std::scoped_lock lock(mutex_);
  auto done = book_.approve_pending(subject, hash, by, now);
  if (done) keep();
  return done;
}

inspect::PinBook Pins::book() const {
  const std::scoped_lock lock(mutex_);
  return book_;
}

Catalogue::Catalogue(std::shared_ptr<const config::Config> config, const config::Server& server,
                     Pins& pins, const base::Log& log, std::shared_ptr<const policy::Engine> engine)
    : config_(std::move(config)),
      server_(server),
      inspect_(config_->inspect),
      pins_(pins),
      log_(log),
      engine_(std::move(engine)) {
  facts_ = facts_of(server);
}

std::shared_ptr<const ToolEntry> Catalogue::find(std::string_view tool) const {
  const std::shared_lock lock(mutex_);
  const auto entry = entries_.find(tool);
  return entry == entries_.end() ? nullptr : entry->second;
}

namespace {

// An outputSchema that cannot be read promises nothing: the tool is no worse than one without.
std::optional<inspect::Schema> promise_of(json::Value descriptor) {
  const json::Value schema = descriptor["outputSchema"];
  if (!schema.is_object()) return std::nullopt;
  auto compiled = inspect::Schema::compile(schema);
  if (!compiled) return std::nullopt;
  return *std::move(compiled);
}

// A copy, not held. Schemas are compiled anew from the bytes: they are not copied.
std::shared_ptr<ToolEntry> again(const ToolEntry& entry) {
  auto copy = std::make_shared<ToolEntry>();
  copy->name = entry.name;
  copy->form = entry.form;
  copy->suspicion = entry.suspicion;
  copy->tool = entry.tool;
  copy->mirrored = entry.mirrored;
  if (auto document = json::Document::parse(copy->form.bytes)) {
    if (auto schema = inspect::Schema::compile(document->root()["inputSchema"]))
      copy->schema.emplace(*std::move(schema));
    copy->promise = promise_of(document->root());
  }
  return copy;
}

// A server of both eras says of each tool in the older one whether it may become a task, and has no
// such member in the newer one: it is no change of the tool.
inspect::Fingerprint form_of(json::Value descriptor) {
  const json::Value execution = descriptor["execution"];
  const std::string_view support = execution["taskSupport"].text_or({});
  const bool known = support == "forbidden" || support == "optional" || support == "required";
  if (!known || execution.size() != 1) return inspect::fingerprint(descriptor);
  std::string text;
  const std::vector<json::Edit> edits{{execution, ""}};
  json::write(descriptor, edits, text);
  const auto without = json::Document::parse(text, {.depth = 256});
  return inspect::fingerprint(without ? without->root() : descriptor);
}

}  // namespace

std::shared_ptr<const ToolEntry> Catalogue::observe(json::Value descriptor,
                                                    const std::function<std::string()>& judge,
                                                    base::Time now, const Held& held) {
  const std::string_view name = descriptor["name"].text_or({});
  inspect::Fingerprint form = form_of(descriptor);
  const auto known = find(name);
  const bool is_known = known && known->form.hash == form.hash;
  const std::string suspicion = is_known ? known->suspicion : judge();
  const bool suspicious = !suspicion.empty();
  const PinSubject subject{facts_.name, inspect::PinKind::tool, std::string(name)};
  const Pins::Seen seen =
      pins_.observe(subject, form, !inspect_.hold_new && !suspicious, ever(suspicious), now);
  const bool is_held = seen.state == PinState::unseen
                           ? inspect_.hold_new || suspicious
                           : seen.state != PinState::same && inspect_.hold_changed;
  if (is_known && known->held == is_held && (known->tool || is_held)) return known;

  auto entry = std::make_shared<ToolEntry>();
  entry->name = name;
  entry->held = is_held;
  entry->suspicion = suspicion;
  if (is_held)
    entry->why_held = seen.state != PinState::unseen ? "it differs from what was approved"
                      : suspicious                   ? suspicion
                                                     : "it is new and not approved yet";
  auto tool = policy::make_tool(facts_, descriptor, facts_of(server_, name));
  if (tool)
    entry->tool = *std::move(tool);
  else
    entry->why_held = "it cannot be judged: " + base::describe(tool.error());
  if (entry->tool && engine_ != nullptr)
    if (auto misfit = engine_->misfit(*entry->tool)) {
      entry->tool = nullptr;
      entry->why_held = "a policy does not fit it: " + *misfit;
    }
  const json::Value schema = descriptor["inputSchema"];
  if (inspect_.argument_schema) {
    auto compiled = inspect::Schema::compile(schema);
    if (compiled) {
      entry->schema.emplace(*std::move(compiled));
    } else {
      entry->tool = nullptr;
      entry->why_held = "its inputSchema cannot be used: " + base::describe(compiled.error());
    }
  }
  entry->promise = promise_of(descriptor);
  if (auto mirrors = mcp::mirrors_of(schema)) {
    entry->mirrored = *std::move(mirrors);
  } else {
    entry->tool = nullptr;
    entry->why_held = "its inputSchema cannot be used: " + base::describe(mirrors.error());
  }
  if (!entry->tool) {
    entry->held = true;
    log_.warning(
        "a tool is hidden",
        {{"server", facts_.name}, {"tool", std::string(name)}, {"reason", entry->why_held}});
  }
  entry->form = std::move(form);
  if (is_held && seen.first_news) held(*entry, seen.approved_hash);
  const std::unique_lock lock(mutex_);
  entries_.insert_or_assign(std::string(name), entry);
  return entry;
}

void Catalogue::doubt(std::string_view tool, const std::string& why, base::Time now,
                      const Held& held) {
  const auto known = find(tool);
  if (!known || !known->suspicion.empty() || !inspect_.hold_suspicious) return;
  const PinSubject subject{facts_.name, inspect::PinKind::tool, known->name};
  const Pins::Seen seen = pins_.observe(subject, known->form, false, now - settled, now);
  auto entry = again(*known);
  entry->suspicion = why;
  entry->held = known->held || seen.state == PinState::unseen;
  entry->why_held = entry->held ? why : std::string();
  if (entry->held && seen.first_news) held(*entry, seen.approved_hash);
  const std::unique_lock lock(mutex_);
  entries_.insert_or_assign(known->name, std::move(entry));
}

void Catalogue::keep_news() { pins_.keep_news(); }

void Catalogue::listed(std::vector<std::string> names, base::Instant now) {
  const std::unique_lock lock(mutex_);
  listed_ = std::move(names);
  listed_at_ = now;
}

std::optional<std::vector<std::shared_ptr<const ToolEntry>>> Catalogue::fresh(
    base::Instant now) const {
  const std::shared_lock lock(mutex_);
  if (!listed_at_ || now - *listed_at_ > std::chrono::minutes(1)) return std::nullopt;
  std::vector<std::shared_ptr<const ToolEntry>> list;
  for (const std::string& name : listed_)
    if (const auto entry = entries_.find(name); entry != entries_.end())
      list.push_back(entry->second);
  return list;
}

void Catalogue::note_prompt(std::string_view outward, std::string_view name) {
  const std::unique_lock lock(mutex_);
  if (prompts_.size() < most_prompts) prompts_.insert_or_assign(std::string(outward), name);
}

std::optional<std::string> Catalogue::prompt(std::string_view outward) const {
  const std::shared_lock lock(mutex_);
  const auto found = prompts_.find(outward);
  if (found == prompts_.end()) return std::nullopt;
  return found->second;
}

bool Catalogue::observe_instructions(std::string_view text, std::string_view suspicion,
                                     base::Time now) {
  const PinSubject subject{facts_.name, inspect::PinKind::instructions, {}};
  const bool suspicious = !suspicion.empty();
  const Pins::Seen seen = pins_.observe(subject, inspect::fingerprint_text(text),
                                        !inspect_.hold_new && !suspicious, ever(suspicious), now);
  pins_.keep_news();
  if (seen.state == PinState::same) return true;
  const bool accepted =
      seen.state == PinState::unseen ? !inspect_.hold_new && !suspicious : !inspect_.hold_changed;
  if (!accepted && seen.first_news)
    log_.warning("server instructions are held back",
                 {{"server", facts_.name},
                  {"reason", suspicious ? std::string(suspicion) : "they are not approved"}});
  return accepted;
}

void Catalogue::approved(std::string_view tool) {
  const std::unique_lock lock(mutex_);
  if (const auto entry = entries_.find(tool); entry != entries_.end() && entry->second->tool) {
    entry->second = again(*entry->second);
  }
}

std::vector<std::shared_ptr<const ToolEntry>> Catalogue::entries() const {
  const std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const ToolEntry>> list;
  list.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) list.push_back(entry);
  return list;
}

}  // namespace latticegate::gateway
