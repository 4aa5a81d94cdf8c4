// What a population costs whose behaviour is known: memory, time a call, and what a restart takes.
//
//   bench.population [agents] [tools]      10000 20
//
// Each agent has its own habits, groups of ten are peers, and each pair of agent and tool a
// baseline that has taught. Meaningful in the release preset only.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <print>
#include <string>
#include <string_view>
#include <vector>

#include "behaviour/habits.h"
#include "behaviour/ladder.h"
#include "behaviour/watch.h"
#include "gateway/learnt.h"

using namespace latticegate;
using namespace std::chrono_literals;
using behaviour::Thing;
using behaviour::Touched;

namespace {

double resident_mb() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t whole = 0;
  std::uint64_t pages = 0;
  in >> whole >> pages;
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

double seconds_of(auto&& work) {
  const auto begun = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

struct Population {
  explicit Population(std::size_t pairs) : watch(pairs) {}
  behaviour::Watch watch;
  behaviour::Habits habits;
  behaviour::Ladders ladders;
};

// One call as the gateway judges it, before and after.
std::uint32_t call(Population& all, std::size_t agent, std::size_t tool, base::Time at,
                   const behaviour::Settings& settings) {
  const std::string name = std::format("agent-{}", agent);
  const std::string group = std::format("group-{}", agent / 10);
  const std::string server = std::format("server-{}", tool / 5);
  const std::string tool_name = std::format("tool-{}", tool);
  const std::string whole = server + "/" + tool_name;
  const Touched touched[] = {
      {Thing::tool, whole}, {Thing::server, server}, {Thing::segment, "lab"}};
  const behaviour::Who who{name, group};
  const behaviour::Pair pair{name, server, tool_name, group};
  const behaviour::Act act{.at = at,
                           .touched = touched,
                           .tool = std::hash<std::string>{}(whole),
                           .arguments = agent * 31 + tool,
                           .number = {}};
  const std::string id = std::format("C-{}", (agent * 7919 + tool * 104'729) % 1'000'000);
  const behaviour::Given given[] = {
      {"limit", "20", 20.0 + static_cast<double>(tool)}, {"status", "open"}, {"customer", id}};
  behaviour::Risk risk =
      all.watch.before(pair, {.at = at, .asked = {}, .max_records = {}, .given = given}, settings);
  risk.join(all.habits.before(who, act, settings));
  behaviour::Lessons lessons;
  risk.join(all.watch.after(
      pair,
      {.at = at, .records = 5 + tool, .bytes = 700, .asked = {}, .max_records = {}, .given = given},
      settings, lessons));
  risk.join(all.habits.after(who, act, {.records = 5 + tool}, settings));
  (void)all.ladders.note(name, risk, at, settings);
  return risk.score;
}

}  // namespace

int main(int count, char** words) {
  const auto number = [&](int place, std::size_t otherwise) {
    return place < count ? std::strtoull(words[place], nullptr, 10) : otherwise;
  };
  const std::size_t agents = number(1, 10'000);
  const std::size_t tools = number(2, 20);
  behaviour::Settings settings;
  settings.pairs = agents * tools;
  const double before = resident_mb();
  auto all = std::make_unique<Population>(settings.pairs * 2);
  base::Time at = base::Time(std::chrono::sys_days(std::chrono::year(2026) / 11 / 23)) + 9h;
  std::uint64_t calls = 0;
  std::uint64_t scores = 0;
  constexpr int rounds = 6;
  const double took = seconds_of([&] {
    for (int round = 0; round < rounds; ++round, at += 8h)
      for (std::size_t tool = 0; tool < tools; ++tool)
        for (std::size_t agent = 0; agent < agents; ++agent, ++calls)
          scores += call(*all, agent, tool, at + std::chrono::seconds(tool), settings);
  });
  std::println("{} agents x {} tools: {} baselines, {} habits", agents, tools, all->watch.size(),
               all->habits.size());
  std::println("memory                         {:8.0f} MB", resident_mb() - before);
  std::println(
      "a call, cold caches            {:8.0f} ns (names made anew for each included; score {})",
      took * 1e9 / static_cast<double>(calls), scores);
  // The same agents again and again, as bursts are.
  constexpr int burst = 200'000;
  const double warm = seconds_of([&] {
    for (int i = 0; i < burst; ++i)
      scores +=
          call(*all, static_cast<std::size_t>(i) % 16, 3, at + std::chrono::seconds(i), settings);
  });
  std::println("a call, warm                   {:8.0f} ns ({})", warm * 1e9 / burst, scores % 10);
  // As the gateway keeps it (gateway/learnt.h), on the disk of the temporary folder.
  const base::SystemClock clock;
  const base::Log log(clock, STDERR_FILENO, base::Level::warning, base::Log::Format::text);
  const auto file = std::filesystem::temp_directory_path() /
                    std::format("bench-population-{}.sqlite", ::getpid());
  gateway::Principals principals({}, {});
  double saving = 0;
  const double written = seconds_of([&] {
    auto memory = gateway::Memory::open(file, log).value();
    gateway::Learnt learnt(*memory, all->watch, all->habits, all->ladders, principals, log);
    saving = seconds_of([&] { learnt.save(at, 8h); });
    memory.reset();
  });
  const auto size = std::filesystem::file_size(file);
  std::println("saved                          {:8.2f} s, on the disk after {:.2f} s, {:.0f} MB",
               saving, written, static_cast<double>(size) / 1e6);
  for (std::size_t agent = 0; agent < 100; ++agent)
    for (std::size_t tool = 0; tool < tools; ++tool) call(*all, agent, tool, at, settings);
  auto again = std::make_unique<Population>(settings.pairs * 2);
  {
    auto memory = gateway::Memory::open(file, log).value();
    gateway::Learnt learnt(*memory, all->watch, all->habits, all->ladders, principals, log);
    std::println("what 100 agents changed, saved {:8.3f} s",
                 seconds_of([&] { learnt.save(at, 8h); }));
  }
  const double loading = seconds_of([&] {
    auto memory = gateway::Memory::open(file, log).value();
    gateway::Learnt(*memory, again->watch, again->habits, again->ladders, principals, log)
        .restore(at, 8h);
  });
  std::println("restart with all of it         {:8.2f} s", loading);
  for (const char* const suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(file.string() + suffix);
  const bool good =
      again->watch.size() == all->watch.size() && again->habits.size() == all->habits.size();
  if (!good) std::println("what was loaded is not what was saved");
  return good ? 0 : 1;
}
