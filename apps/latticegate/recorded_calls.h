// What the policy commands read from audit logs: the records of a log's directory, or of a file
// with a record a line, as `audit query --json` prints them.
#pragma once
#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/query.h"
#include "base/result.h"
#include "commands.h"
#include "json/value.h"
#include "policy/past_reader.h"
#include "policy/replay.h"
#include "policy_files.h"

namespace latticegate::app {

// Options that replay and suggest have in common.
struct RecordedArguments {
  std::string config;
  std::string log;
  std::string since;
  std::string until;
  std::vector<std::string> agents;
  std::vector<std::string> tools;
  std::vector<std::string> words;
  std::uint32_t threads = 0;
};
void add_recorded_options(CLI::App& command, RecordedArguments& given);

struct Recording {
  PolicyFiles files;   // of the configuration, with World
  std::string log;     // directory or file
  audit::Query query;  // which calls count
};
[[nodiscard]] base::Result<Recording> open_recording(const RecordedArguments& given);

// Views into the record.
struct RecordedText {
  std::string tool;  // storage of "server/tool"
  policy::RecordedCall call;
};
// Nothing for what is no decision about a call.
std::optional<RecordedText> call_of(json::Value record);
std::optional<base::Time> time_of(json::Value record);
std::optional<policy::RecordedAnswer> answer_of(json::Value record);

struct ReadStatistics {
  std::uint64_t records = 0;
  std::uint64_t unreadable = 0;
  double seconds = 0;
};
// Gives each record to `take`, in its own slice of work: take(slice, record), where slices count
// from 0 to `threads` - 1 and each is used by one thread at a time, in the order of the log.
// Damaged segments are told on standard error and counted. With `type`, records of others are read
// and counted in a log, and not given: that saves looking into them.
[[nodiscard]] base::Result<ReadStatistics> read_records(
    const std::string& log, std::optional<base::Time> since, std::size_t threads,
    const std::function<void(std::size_t, json::Value)>& take, std::string_view type = {});

// The same for the leaves of a log whose order does not matter: each piece of the log goes to
// whichever slice is free. `take` says whether it could read the leaf.
[[nodiscard]] base::Result<ReadStatistics> read_leaves(
    const std::string& log, std::optional<base::Time> since, std::size_t threads,
    const std::function<bool(std::size_t, std::string_view)>& take);

// What a record call.decided says, as the bytes of its members' values; empty where it has none.
struct SkimmedCall {
  std::string_view agent, decision, prompt, resource_uri, server, tool, why, would;
  const policy::PastCall* past = nullptr;  // of the reader
  std::string members;                     // the wanted ones, as a record of their own
};
// False: it has to be read whole. `wanted`: names of members, ascending.
bool skim_call(std::string_view leaf, std::span<const std::string> wanted,
               policy::PastReader& reader, SkimmedCall& call);
// As call_of() has them; nothing: it has to be read whole.
bool is_call(const SkimmedCall& call);
std::optional<policy::Judgement::Kind> decided(const SkimmedCall& call);
std::optional<std::string> agent_of(const SkimmedCall& call);
std::optional<std::string> target_of(const SkimmedCall& call);

// As many as it pays to have.
std::size_t thread_count(std::uint32_t wanted);

}  // namespace latticegate::app
