// The parts of verify_log(): verify.cc is the list of steps, verify_head.cc reads what was signed,
// verify_records.cc walks over the records, verify_tiles.cc holds tiles and bundles against them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/segment.h"
#include "audit/tile_builder.h"
#include "store/body_file.h"
#include "store/query_reader.h"
#include "store/rotation.h"
#include "store/verify.h"

namespace latticegate::store {

inline constexpr std::size_t largest_bundle = audit::tile_width * (audit::leaf_limit.count + 2);

// The first bytes of a hash, for people.
std::string short_hash(std::string_view digest);
std::string short_hash(const audit::Digest& digest);
bool contains(std::string_view text, std::string_view what);
// When a record says that it was written.
std::string time_of(std::string_view leaf);

// What a size of the tree must give.
struct Expected {
  enum class Kind : std::uint8_t { head, kept, anchor } kind;
  std::string from;
  audit::Digest root;
};

class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options) : options_(options), log_(options.directory) {}

  base::Result<VerifyReport> run();

 private:
  void problem(std::string file, std::optional<std::uint64_t> record, std::string what) {
    if (report_.problems.size() == problems_limit)
      ++report_.more_problems;
    else
      report_.problems.push_back(
          {.file = std::move(file), .record = record, .what = std::move(what)});
  }
  void not_checked(std::string what) { report_.not_checked.push_back(std::move(what)); }
  void remark(std::string what) { report_.remarks.push_back(std::move(what)); }

  // Who must sign checkpoints of more than `from` records; the witnesses behind them.
  struct Signers {
    std::uint64_t from = 0;
    std::vector<audit::VerifierKey> keys;
    std::size_t required = 0;
  };

  base::Result<void> read_keys();
  base::Result<void> follow_keys(const std::string& known);
  const Signers& signers_of(std::uint64_t size) const;
  void judge_rotations();
  base::Result<void> read_head();
  base::Result<void> read_kept();
  void add_anchors();
  base::Result<void> walk_segments();
  // True when the walk can go on with the next segment.
  base::Result<bool> walk_segment(const SegmentName& name, bool last);
  // Holds the packed form of a segment against the plain one, where a crash left both.
  void packed_beside(std::uint64_t number);
  base::Result<void> walk_bundles();
  // Takes the hashes of the records before `first` from the tiles: retention gave the records up.
  // False when they are not there.
  bool take_given_up(std::uint64_t first);
  void take_custody(std::string_view type, std::string_view leaf);
  // Holds a record's body, if it keeps one, against its envelope.
  void body_of(std::string_view leaf, std::uint64_t seq);
  void open_bodies(std::uint64_t segment);
  void rest_of_bodies();
  void judge_given_up();
  void leaf(std::string_view text);
  void full_tile_of(const audit::StoredTile& tile, std::string_view wanted);
  void differing_hash(const std::string& path, std::string_view bytes, std::string_view wanted,
                      const audit::Tile& tile);
  void differing_record(const std::string& path, std::string_view bytes, std::string_view wanted,
                        std::uint64_t first);
  void at_size();
  void partial_tiles();
  base::Result<void> look_through_tiles();
  void look_at_tile(const std::string& path);
  base::Result<void> look_through_rest();
  void judge_end();

  bool is_signed(std::uint64_t end) const { return has_head_ && end <= report_.head.size; }
  // Reads a file that is one of ours; nothing, with a problem told, when it cannot be used.
  std::optional<std::string> contents(const std::string& path, std::size_t limit,
                                      std::optional<std::uint64_t> record, bool must);

  const VerifyOptions& options_;
  const std::filesystem::path log_;
  VerifyReport report_;
  std::vector<Signers> epochs_;
  std::vector<Rotation> rotations_;
  std::map<std::uint64_t, std::string> rekeyed_;  // what records say of next keys
  bool has_head_ = false;
  bool has_tiles_ = false;
  bool from_bundles_ = false;
  bool broken_ = false;                              // the walk ended before the end of the log
  bool closed_ = false;                              // the last record says so
  std::multimap<std::uint64_t, Expected> expected_;  // by size

  audit::TileBuilder tree_;
  // Of what retention and erasure did.
  std::uint64_t first_ = 0;                       // the first record that is here
  std::uint64_t given_up_ = 0;                    // records before this one may be missing
  std::set<std::string, std::less<>> destroyed_;  // keys
  struct Lost {
    std::uint64_t record = 0;
    std::uint64_t bodies = 0;
  };
  std::map<std::string, Lost, std::less<>> lost_;  // bodies that are not here, by key
  bool has_bodies_ = false;
  std::uint64_t without_folder_ = 0;
  std::string bodies_path_;  // of the segment that is read
  std::optional<BodyReader> bodies_;
  std::optional<BodyReader::Frame> next_body_;
  std::string last_leaf_;
  std::string needle_;
  std::map<std::string, std::pair<std::uint64_t, std::string>> cut_files_;  // name: bytes, sha256
};

}  // namespace latticegate::store
