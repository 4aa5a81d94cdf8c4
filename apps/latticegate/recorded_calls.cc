#include "recorded_calls.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <format>
#include <print>
#include <thread>
#include <utility>

#include "audit/leaf.h"
#include "base/clock.h"
#include "json/skim.h"
#include "log_reading.h"
#include "policy/exact.h"
#include "store/log_pieces.h"

namespace latticegate::app {
namespace {

using base::Result;

constexpr std::size_t chunk_size = 8192;  // records that the threads share at a time

// The records of a directory or file, as text.
class Source {
 public:
  static Result<Source> open(const std::string& log, std::optional<base::Time> since) {
    Source source;
    if (std::filesystem::is_directory(log)) {
      auto reader = store::LogReader::open(log, {.seq = {}, .since = since, .last = {}});
      if (!reader) return std::unexpected(std::move(reader).error());
      source.reader_.emplace(*std::move(reader));
    } else {
      source.file_.open(log, std::ios::binary);
      if (!source.file_) return base::fail(base::Code::io, std::format("cannot read {}", log));
    }
    return source;
  }
  bool of_a_log() const { return reader_.has_value(); }
  // False at the end.
  bool next(std::string& text, std::uint64_t& damaged) {
    if (!reader_) {
      while (std::getline(file_, text))
        if (!text.empty()) return true;
      return false;
    }
    const auto entry = next_leaf(*reader_, damaged);
    if (entry) text.assign(entry->leaf);
    return entry.has_value();
  }

 private:
  std::optional<store::LogReader> reader_;
  std::ifstream file_;
};

std::optional<policy::Judgement::Kind> kind_of(std::string_view word) {
  using Kind = policy::Judgement::Kind;
  for (const Kind kind : {Kind::allow, Kind::deny, Kind::step_up})
    if (policy::name(kind) == word) return kind;
  return std::nullopt;
}

std::string term(std::string_view field, const std::vector<std::string>& values) {
  std::string joined;
  for (const std::string& value : values)
    joined += std::format("{}\"{}\"", joined.empty() ? "" : ",", value);
  return joined.empty() ? std::string() : std::format("{}:{} ", field, joined);
}

}  // namespace

void add_recorded_options(CLI::App& command, RecordedArguments& given) {
  command.add_option("-c,--config", given.config,
                     "The configuration: whom and what policies know, and where the log is");
  command.add_option("--log", given.log,
                     "An audit log's directory, or a file of records as `audit query --json` "
                     "prints them, instead of the configuration's");
  command.add_option("--since", given.since, "Calls not older than: 30d, 24h, 2026-11-22");
  command.add_option("--until", given.until, "Calls older than");
  command.add_option("--agent", given.agents, "Calls of these agents; * stands for anything");
  command.add_option("--tool", given.tools, "Calls of these tools: crm.search, search*");
  command.add_option("--threads", given.threads, "How many; as many as there are processors");
  command.add_option("query", given.words, "Further terms, as for `audit query`");
}

Result<Recording> open_recording(const RecordedArguments& given) {
  auto files = read_policy_files("", given.config);
  if (!files) return base::within("policies", std::move(files).error());
  std::string words = term("agent", given.agents) + term("tool", given.tools);
  if (!given.since.empty()) words += std::format("since:{} ", given.since);
  if (!given.until.empty()) words += std::format("until:{} ", given.until);
  for (const std::string& word : given.words) words += word + " ";
  auto query = audit::Query::parse(words, base::SystemClock().now());
  if (!query) return base::within("query", std::move(query).error());
  std::string log = given.log;
  if (log.empty()) log = files->config->audit.directory.string();
  return Recording{*std::move(files), std::move(log), *std::move(query)};
}

std::optional<base::Time> time_of(json::Value record) {
  const std::string_view text = record["time"].text_or("");
  const auto parsed = policy::exact_time(std::format("{}Z", text.substr(0, 23)));
  if (!parsed) return std::nullopt;
  return base::Time(std::chrono::milliseconds(*parsed));
}

std::optional<RecordedText> call_of(json::Value r) {
  if (r["type"].text_or("") != "call.decided" || r["why"].text_or("").starts_with("request of"))
    return std::nullopt;
  RecordedText text;
  const std::string_view named =
      r["tool"].text_or(r["resource_uri"].text_or(r["prompt"].text_or("")));
  text.tool = r["resource_uri"] ? std::string(named)
                                : std::format("{}/{}", r["server"]["id"].text_or(""), named);
  text.call = {.seq = static_cast<std::uint64_t>(r["seq"].integer().value_or(0)),
               .at = time_of(r).value_or(base::Time()),
               .call = r["call_uid"].text_or(""),
               .agent = r["agent"]["ref"].text_or(""),
               .tenant = r["tenant"].text_or(""),
               .conversation = r["session"].text_or(""),
               .target = {},
               .decided = kind_of(r["would"].text_or(r["decision"].text_or(""))),
               .rules = {},
               .why = r["why"].text_or(""),
               .asked = r["asked"]};
  for (const json::Value rule : r["rules"].elements()) text.call.rules.push_back(rule.text_or(""));
  return text;
}

std::optional<policy::RecordedAnswer> answer_of(json::Value r) {
  if (r["type"].text_or("") != "call.finished") return std::nullopt;
  const auto bytes = r["res"]["len"].integer();
  const auto at = time_of(r);
  if (!bytes || !at) return std::nullopt;
  const std::string_view outcome = r["outcome"].text_or("");
  const bool withheld = outcome == "withheld";
  // Whoever kills or quarantines keeps answers back, too, and observing says nothing of them.
  const bool by_policies = r["mode"].text_or("") == "enforce" &&
                           !(withheld && r["error"].text_or("").contains("while under way"));
  return policy::RecordedAnswer{
      .call = r["call_uid"].text_or(""),
      .at = *at,
      .failed = outcome == "tool_error" || outcome == "rpc_error",
      .output = {.records = static_cast<std::uint64_t>(r["rows_out"].integer().value_or(0)),
                 .bytes = static_cast<std::uint64_t>(*bytes)},
      .let_out = by_policies ? std::optional(!withheld) : std::nullopt,
      .findings = r["findings"].size(),
      .risk = r["risk"]};
}

std::size_t thread_count(std::uint32_t wanted) {
  if (wanted != 0) return std::min(wanted, 64U);
  return std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
}

Result<ReadStatistics> read_records(const std::string& log, std::optional<base::Time> since,
                                    std::size_t threads,
                                    const std::function<void(std::size_t, json::Value)>& take,
                                    std::string_view type) {
  const base::SystemClock clock;
  const base::Instant begin = clock.instant();
  auto source = Source::open(log, since);
  if (!source) return std::unexpected(std::move(source).error());
  ReadStatistics read;
  std::vector<std::string> chunk(chunk_size);
  std::vector<std::string> ahead(chunk_size);
  std::vector<std::uint64_t> unreadable(threads);
  const auto fill = [&](std::vector<std::string>& into) {
    std::size_t count = 0;
    while (count < into.size() && source->next(into[count], read.unreadable)) {
      ++read.records;
      if (type.empty() || !source->of_a_log() || audit::type_of(into[count]) == type) ++count;
    }
    return count;
  };
  const auto work = [&](std::size_t slice, std::size_t count) {
    const std::size_t first = count * slice / threads;
    const std::size_t last = count * (slice + 1) / threads;
    for (std::size_t i = first; i < last; ++i) {
      const auto document = json::Document::parse(chunk[i]);
      if (document)
        take(slice, document->root());
      else
        ++unreadable[slice];
    }
  };
  for (std::size_t count = fill(chunk); count != 0;) {
    std::size_t next = 0;
    {
      std::vector<std::jthread> workers;
      for (std::size_t slice = 1; slice < threads; ++slice)
        workers.emplace_back([&, slice] { work(slice, count); });
      if (threads > 1) {
        workers.emplace_back([&] { work(0, count); });
        next = fill(ahead);
      } else {
        work(0, count);
      }
    }
    if (threads == 1) next = fill(ahead);
    std::swap(chunk, ahead);
    count = next;
  }
  for (const std::uint64_t count : unreadable) read.unreadable += count;
  read.seconds = std::chrono::duration<double>(clock.instant() - begin).count();
  return read;
}

Result<ReadStatistics> read_leaves(const std::string& log, std::optional<base::Time> since,
                                   std::size_t threads,
                                   const std::function<bool(std::size_t, std::string_view)>& take) {
  const base::SystemClock clock;
  const base::Instant begin = clock.instant();
  auto pieces = store::LogPieces::open(log, since);
  if (!pieces) return std::unexpected(std::move(pieces).error());
  std::vector<ReadStatistics> of_slices(threads);
  const auto work = [&](std::size_t slice) {
    ReadStatistics own;
    store::LogPieces::Piece piece;
    while (pieces->read(piece))
      while (const auto leaf = piece.next()) {
        ++own.records;
        if (!take(slice, *leaf)) ++own.unreadable;
      }
    of_slices[slice] = own;
  };
  {
    std::vector<std::jthread> workers;
    for (std::size_t slice = 1; slice < threads; ++slice)
      workers.emplace_back([&, slice] { work(slice); });
    work(0);
  }
  ReadStatistics read;
  for (const ReadStatistics& own : of_slices) {
    read.records += own.records;
    read.unreadable += own.unreadable;
  }
  for (const std::string& sentence : pieces->damage()) {
    std::println(stderr, "latticegate: {}", sentence);
    ++read.unreadable;
  }
  read.seconds = std::chrono::duration<double>(clock.instant() - begin).count();
  return read;
}

bool skim_call(std::string_view leaf, std::span<const std::string> wanted,
               policy::PastReader& reader, SkimmedCall& call) {
  call.agent = call.decision = call.prompt = call.resource_uri = {};
  call.server = call.tool = call.why = call.would = {};
  call.past = nullptr;
  call.members.clear();
  const auto place = [&](std::string_view key) -> std::string_view* {
    switch (key.front()) {
      case 'a': return key == "agent" ? &call.agent : nullptr;
      case 'd': return key == "decision" ? &call.decision : nullptr;
      case 'p': return key == "prompt" ? &call.prompt : nullptr;
      case 'r': return key == "resource_uri" ? &call.resource_uri : nullptr;
      case 's': return key == "server" ? &call.server : nullptr;
      case 't': return key == "tool" ? &call.tool : nullptr;
      case 'w': return key == "why" ? &call.why : key == "would" ? &call.would : nullptr;
      default: return nullptr;
    }
  };
  json::Skim skim(leaf);
  std::string_view key;
  for (skim.enter(); skim.member(key);) {
    if (key.empty()) return false;
    const char* const begin = skim.rest().data();
    std::string_view value;
    if (key == "asked") {
      call.past = reader.read(skim);
      if (call.past == nullptr) return false;
      value = {begin, static_cast<std::size_t>(skim.rest().data() - begin)};
    } else {
      value = skim.value();
      if (std::string_view* const to = place(key)) *to = value;
    }
    while (!wanted.empty() && wanted.front() < key) wanted = wanted.subspan(1);
    if (!wanted.empty() && wanted.front() == key)
      call.members.append(call.members.empty() ? "{\"" : ",\"")
          .append(key)
          .append("\":")
          .append(value);
  }
  if (!call.members.empty()) call.members += '}';
  return !skim.odd() && skim.rest().empty() && call.past != nullptr;
}

bool is_call(const SkimmedCall& call) { return !call.why.starts_with("\"request of"); }

std::optional<policy::Judgement::Kind> decided(const SkimmedCall& call) {
  return json::plain_string(call.would.empty() ? call.decision : call.would).and_then(kind_of);
}

namespace {

// A member of an object, as text.
std::optional<std::string_view> text_in(std::string_view object, std::string_view wanted) {
  json::Skim skim(object);
  std::optional<std::string_view> found;
  std::string_view key;
  for (skim.enter(); skim.member(key);)
    if (const std::string_view value = skim.value(); key == wanted)
      found = json::plain_string(value);
  return skim.odd() ? std::nullopt : found;
}

}  // namespace

std::optional<std::string> agent_of(const SkimmedCall& call) {
  return text_in(call.agent, "ref").transform([](std::string_view t) { return std::string(t); });
}

std::optional<std::string> target_of(const SkimmedCall& call) {
  const std::string_view first = !call.tool.empty()           ? call.tool
                                 : !call.resource_uri.empty() ? call.resource_uri
                                                              : call.prompt;
  const auto named = json::plain_string(first);
  if (!named) return std::nullopt;
  if (!call.resource_uri.empty()) return std::string(*named);
  return text_in(call.server, "id").transform([&](std::string_view server) {
    return std::format("{}/{}", server, *named);
  });
}

}  // namespace latticegate::app
