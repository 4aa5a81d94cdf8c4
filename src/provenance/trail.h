// Trail: where what a client now says came from.
//
// A gateway sees neither what a person asked for nor what a model thought, but it sees every text
// that came in and every argument that goes out. The trail of a principal remembers which sources
// it read, and fingerprints (words.h) of what they said. Of each call it then tells which arguments
// carry something that only untrusted sources ever said (somebody else pulls the strings), and
// which carry what only sensitive sources said (data on its way out): whole, in part, encoded, back
// to front, or in pieces over several calls in a row.
//
// Whoever says something first owns it: what the client said before an untrusted source did is the
// client's own. What a trusted source says, too, is no longer untrusted, unless the client had sent
// it on meanwhile: otherwise writing a note and reading it again would launder it.
//
// What is not seen: words and names, a value that was put into other words, pieces in another
// order or with words between them. Within one server, ids, numbers and paths are the server's own:
// to delete a message whose id its mailbox gave is no string that somebody pulls.
//
// Bounds: 63 sources (the oldest is forgotten), Limits::prints fingerprints of text, a quarter as
// many of text that nobody has to fear (a restart forgets them) and half as many values (24 bytes
// each on average), 256 KiB of text of an answer and 64 KiB of arguments are looked at. What goes
// beyond is said by `complete`. Everything is forgotten after Limits::expiry.
//
// It can be saved: otherwise a restart would launder whatever was read before it.
//
// A plain value, about 1 KiB when nothing was read; the owner locks. Time comes in as an argument.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "json/value.h"
#include "provenance/prints.h"
#include "provenance/words.h"

namespace latticegate::provenance {

struct Limits {
  std::size_t prints = 16'384;  // 0: nothing is remembered
  std::chrono::seconds expiry{std::chrono::hours{8}};
  bool operator==(const Limits&) const = default;
};

// Where an answer comes from. Views.
struct Source {
  std::string_view server;
  std::string_view subject;              // tool, or "" for resources and prompts
  std::span<const std::string> taint{};  // any: untrusted
  std::span<const std::string> domains{};
  bool sensitive = false;  // not everybody may see what it says
};

// Where arguments go.
struct Sink {
  std::string_view server;
  std::string_view subject;
  bool egress = false;  // data may leave here: sensitive values are looked for in all forms
};

enum class What : std::uint8_t {
  steered,    // an argument that decides what happens, from untrusted sources only
  quoted,     // text or a value in passing, from untrusted sources only
  sensitive,  // what only sensitive sources said, on its way out
};
std::string_view name(What what);

// One argument that carries something. The first of its kind and source per argument.
struct Mark {
  std::string argument;  // "to", "message.recipient"; members of lists without their place
  What what{};
  std::string_view form;  // "address", "url", ..., "text", "encoded text", "pieces"
  std::string source;     // "mail/read_inbox"
  base::Time since{};     // when that source was last read
};

// What one call's arguments carry.
struct Origins {
  static constexpr std::size_t most = 16;
  std::vector<Mark> marks;  // empty for nearly every call
  bool complete = true;     // false: not all was looked at, or remembered
  bool has(What what) const;
};
// For people: "to is an address that only mail/read_inbox gave (since ...)".
std::string sentence(const Mark& mark);

class Trail {
 public:
  Trail(Limits limits, Key key)
      : limits_(limits),
        key_(key),
        texts_(limits.prints),
        values_(limits.prints / 2),
        vouched_(limits.prints / 4) {}

  // Before the call: says what `arguments` carry and remembers what is the client's own.
  Origins before(json::Value arguments, const Sink& sink, base::Time now);
  // After an answer went to the client. `revealed` is what it says without its disguises
  // (inspect::Findings::revealed): who takes them off may do what they hide.
  void after(json::Value answer, const Source& source, base::Time now,
             std::span<const std::string> revealed = {});

  // What the client says the conversation is for, or the operator: values and words in it are the
  // client's own unless an untrusted or private source gave them before; the operator's are
  // trusted, whoever else says them.
  void say(std::string_view text, bool operators, base::Time now);
  // Whether something untrusted was read and has not expired.
  bool read_untrusted(base::Time now) const;

  // What was read and has not expired.
  struct Read {
    std::string name;  // "server/tool"
    std::string server;
    std::vector<std::string> taint{};
    std::vector<std::string> domains{};
    bool sensitive = false;
    base::Time last{};
  };
  // Calls `with(const Read&)` for each source that was read lately.
  template <class With>
  void sources(base::Time now, const With& with) const {
    for (const Read& read : sources_)
      if (now - read.last < limits_.expiry) with(read);
  }
  std::size_t bytes() const { return texts_.bytes() + values_.bytes() + vouched_.bytes(); }
  std::size_t sources_read() const { return sources_.size(); }

  // All of it that has not expired as one text (JSON; about 20 bytes a fingerprint, at most 640
  // KiB: the latest), except the letters of what comes in pieces, because they are no fingerprints.
  // Good for a trail with the same key only.
  std::string save(base::Time now) const;
  [[nodiscard]] static base::Result<Trail> load(std::string_view saved, Limits limits, Key key);
  // When it was changed last, of what save() wrote; nothing for anything else.
  [[nodiscard]] static std::optional<base::Time> changed_of(std::string_view saved);

 private:
  struct Leaf;
  class Reader;
  class Asker;
  // The latest letters that went one way, for what comes in pieces.
  struct Tail {
    std::uint64_t way = 0;
    std::uint32_t when = 0;
    std::string folded;
  };
  static constexpr std::size_t most_sources = 63;
  static constexpr std::size_t most_tails = 16;
  std::uint32_t seconds(base::Time now) const;
  std::uint32_t oldest(std::uint32_t now) const;
  std::uint8_t source(const Source& source, base::Time now);

  Limits limits_;
  Key key_;
  base::Time began_{};
  base::Time changed_{};
  Prints texts_;
  Prints values_;
  Prints vouched_;             // words of sources that are neither untrusted nor sensitive
  std::uint64_t lengths_ = 0;  // of sensitive values: bit n for n folded bytes, below 64
  bool untrusted_ = false;     // there were such sources
  bool sensitive_ = false;
  bool cut_ = false;  // an answer was too long to be remembered whole
  std::vector<Read> sources_;
  std::array<Tail, most_tails> tails_{};
};

}  // namespace latticegate::provenance
