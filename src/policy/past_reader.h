// PastReader: questions of an audit log (policy/asked.h) read for an Engine that is asked about
// very many of them: without a JSON tree, and of the context only what the Engine's policies can
// see. Whoever asks, what is asked and the action are looked up by their bytes, which repeat from
// record to record; at most a few thousand of them are kept.
//
// Engine::judge() says of what comes out what it says of the whole question. Whatever is not as
// Engine::write_asked() writes most questions (something is missing, left out or redacted, members
// stand in another order, ...) is not read here: Engine::read_asked() is for those, and says what
// is wrong. What the policies do not see is not looked at: bytes there that are no JSON are not
// noticed. replay_test.cc holds both ways against each other.
//
// One thread each. Only for an Engine that does not look back.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "cedar/arena.h"
#include "json/skim.h"
#include "json/value.h"
#include "policy/asked.h"
#include "policy/engine.h"
#include "policy/reads.h"

namespace latticegate::policy {

class AskedReader;

class PastReader {
 public:
  // `people` outlive it.
  PastReader(std::shared_ptr<const Engine> engine, const People& people);
  PastReader(PastReader&&) noexcept;
  PastReader& operator=(PastReader&&) noexcept;
  PastReader(const PastReader&) = delete;
  PastReader& operator=(const PastReader&) = delete;
  ~PastReader();

  // Walks over the question that comes next. Null: it has to be read whole, and where `skim` is
  // then does not matter. What is returned holds until the next call, and as long as the text.
  const PastCall* read(json::Skim& skim);

 private:
  struct Known;
  enum class Role : std::uint8_t { principal, action, resource };
  const Known* known(Role role, std::string_view raw);
  cedar::Value context(json::Skim& skim, const ContextReads::Part& part, AskedReader& reader);
  cedar::Value value(std::string_view raw, AskedReader& reader);
  cedar::Value list(std::string_view raw, AskedReader& reader);

  std::shared_ptr<const Engine> engine_;
  const People* people_;
  ContextReads reads_;
  std::array<std::vector<std::unique_ptr<Known>>, 3> known_;  // by Role, in places by hash
  cedar::Arena arena_;
  std::vector<json::Document> documents_;  // of values that were parsed
  PastCall call_;
};

}  // namespace latticegate::policy
