#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "audit/segment.h"
#include "audit/tree.h"

using namespace latticegate;
using audit::CompactRange;
using audit::Digest;
using audit::Position;
using audit::Proof;

namespace {

constexpr std::uint64_t most = 257;

Digest leaf_at(std::uint64_t index) { return audit::leaf_hash("record-" + std::to_string(index)); }

// The definitions of RFC 9162 (sections 2.1.1, 2.1.3.1, 2.1.4.1) as recursion over ranges of
// leaves: slow, and shares nothing with the tree but SHA-256.
class Naive {
 public:
  Digest root(std::uint64_t begin, std::uint64_t end) {
    if (begin == end) return crypto::sha256("");
    if (end - begin == 1) return leaf_at(begin);
    if (const auto known = known_.find({begin, end}); known != known_.end()) return known->second;
    const std::uint64_t middle = begin + std::bit_ceil(end - begin) / 2;
    std::string text(1, '\x01');
    text += base::text_of(root(begin, middle));
    text += base::text_of(root(middle, end));
    return known_[{begin, end}] = crypto::sha256(text);
  }

  Proof path(std::uint64_t index, std::uint64_t begin, std::uint64_t end) {
    if (end - begin == 1) return {};
    const std::uint64_t middle = begin + std::bit_ceil(end - begin) / 2;
    const bool left = index < middle;
    Proof proof = left ? path(index, begin, middle) : path(index, middle, end);
    proof.push_back(left ? root(middle, end) : root(begin, middle));
    return proof;
  }

  // `whole`: the older tree is one subtree from the beginning, so its root is known.
  Proof growth(std::uint64_t older, std::uint64_t begin, std::uint64_t end, bool whole = true) {
    if (older == end) return whole ? Proof{} : Proof{root(begin, end)};
    const std::uint64_t middle = begin + std::bit_ceil(end - begin) / 2;
    const bool left = older <= middle;
    Proof proof = left ? growth(older, begin, middle, whole) : growth(older, middle, end, false);
    proof.push_back(left ? root(middle, end) : root(begin, middle));
    return proof;
  }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, Digest> known_;
};

class Memory final : public audit::NodeSource {
 public:
  explicit Memory(std::uint64_t leaves) {
    CompactRange range;
    std::vector<audit::Node> completed;
    for (std::uint64_t i = 0; i < leaves; ++i) {
      completed.clear();
      range.append(leaf_at(i), completed);
      for (const audit::Node& node : completed)
        CHECK(nodes_.emplace(node.at, node.hash).second);  // each node is complete once
    }
  }
  base::Result<Digest> node(Position at) const override {
    const auto found = nodes_.find(at);
    if (found == nodes_.end()) return base::fail(base::Code::not_found, "no such node");
    return found->second;
  }
  std::size_t size() const { return nodes_.size(); }

 private:
  std::map<Position, Digest> nodes_;
};

// A log of any size whose leaves are all the same.
class Uniform final : public audit::NodeSource {
 public:
  Uniform() {
    levels_[0] = leaf_at(0);
    for (std::size_t i = 1; i < levels_.size(); ++i)
      levels_[i] = audit::node_hash(levels_[i - 1], levels_[i - 1]);
  }
  base::Result<Digest> node(Position at) const override { return levels_.at(at.level); }

 private:
  std::array<Digest, 64> levels_{};
};

Digest flipped(Digest digest, std::size_t bit) {
  digest.at(bit / 8 % 32) ^= std::byte{1} << (bit % 8);
  return digest;
}

}  // namespace

TEST_CASE("roots and states at every size are those of the recursion") {
  const Memory memory(most);
  CHECK(memory.size() == 2 * 256 - 1 + 1);
  Naive naive;
  CompactRange range;
  for (std::uint64_t size = 0; size <= most; ++size) {
    CAPTURE(size);
    const Digest root = naive.root(0, size);
    CHECK(range.root() == root);
    CHECK(audit::root_at(size, memory).value() == root);
    const std::string state = range.bytes();
    CHECK(state.size() == 8 + 32 * static_cast<std::size_t>(std::popcount(size)));
    CHECK(audit::range_at(size, memory)->bytes() == state);
    range = CompactRange::from_bytes(state).value();  // goes on from the bytes
    CHECK(range.root() == root);
    range.append(leaf_at(size));
  }
}

TEST_CASE("inclusion proofs of every leaf at every size") {
  const Memory memory(most);
  Naive naive;
  std::size_t proofs = 0;
  for (std::uint64_t size = 1; size <= most; ++size) {
    for (std::uint64_t index = 0; index < size; ++index, ++proofs) {
      const Proof proof = audit::prove_inclusion(index, size, memory).value();
      if (proof != naive.path(index, 0, size) ||
          proof.size() != audit::inclusion_size(index, size) ||
          !audit::verify_inclusion(index, size, leaf_at(index), proof, naive.root(0, size)))
        FAIL("leaf " << index << " of " << size);
    }
  }
  CHECK(proofs == most * (most + 1) / 2);
}

TEST_CASE("consistency proofs of every pair of sizes") {
  const Memory memory(most);
  Naive naive;
  std::size_t proofs = 0;
  for (std::uint64_t newer = 1; newer <= most; ++newer) {
    for (std::uint64_t older = 1; older <= newer; ++older, ++proofs) {
      const Proof proof = audit::prove_consistency(older, newer, memory).value();
      if (proof != naive.growth(older, 0, newer) ||
          proof.size() != audit::consistency_size(older, newer) ||
          !audit::verify_consistency(older, newer, naive.root(0, older), naive.root(0, newer),
                                     proof))
        FAIL("from " << older << " to " << newer);
    }
  }
  CHECK(proofs == most * (most + 1) / 2);
}

TEST_CASE("an altered inclusion proof is refused") {
  const Memory memory(70);
  Naive naive;
  for (std::uint64_t size = 1; size <= 70; ++size) {
    const Digest root = naive.root(0, size);
    for (std::uint64_t index = 0; index < size; ++index) {
      const Proof good = audit::prove_inclusion(index, size, memory).value();
      const auto refused = [&](std::uint64_t at, const Digest& leaf, const Proof& proof,
                               const Digest& top) {
        if (audit::verify_inclusion(at, size, leaf, proof, top))
          FAIL("leaf " << index << " of " << size);
      };
      refused(index, flipped(leaf_at(index), index), good, root);
      refused(index, leaf_at(index), good, flipped(root, index));
      refused(index, leaf_at(index + 1), good, root);
      refused(size, leaf_at(index), good, root);
      for (std::uint64_t other = 0; other < size; ++other) {
        if (other != index) refused(other, leaf_at(index), good, root);
      }
      Proof longer = good;
      longer.push_back(root);
      refused(index, leaf_at(index), longer, root);
      for (std::size_t at = 0; at < good.size(); ++at) {
        Proof other = good;
        other[at] = flipped(other[at], at + index);
        refused(index, leaf_at(index), other, root);
        other = good;
        other.erase(other.begin() + static_cast<std::ptrdiff_t>(at));
        refused(index, leaf_at(index), other, root);
        if (at > 0) {
          other = good;
          std::swap(other[at], other[at - 1]);
          refused(index, leaf_at(index), other, root);
        }
      }
    }
  }
}

TEST_CASE("an altered consistency proof is refused") {
  const Memory memory(70);
  Naive naive;
  for (std::uint64_t newer = 1; newer <= 70; ++newer) {
    const Digest is = naive.root(0, newer);
    for (std::uint64_t older = 1; older <= newer; ++older) {
      const Digest was = naive.root(0, older);
      const Proof good = audit::prove_consistency(older, newer, memory).value();
      const auto refused = [&](const Digest& from, const Digest& to, const Proof& proof) {
        if (audit::verify_consistency(older, newer, from, to, proof))
          FAIL("from " << older << " to " << newer);
      };
      refused(flipped(was, older), is, good);
      refused(was, flipped(is, older), good);
      if (older != newer) refused(is, was, good);
      Proof longer = good;
      longer.push_back(is);
      refused(was, is, longer);
      if (!good.empty()) refused(was, is, {});
      for (std::size_t at = 0; at < good.size(); ++at) {
        Proof other = good;
        other[at] = flipped(other[at], at + older);
        refused(was, is, other);
        other = good;
        other.erase(other.begin() + static_cast<std::ptrdiff_t>(at));
        refused(was, is, other);
      }
    }
  }
}

TEST_CASE("sizes that make no sense are refused before anything is read") {
  const Memory memory(2);
  const Digest root = leaf_at(0);
  constexpr std::uint64_t above = audit::tree_size_limit + 1;
  constexpr std::array<std::pair<std::uint64_t, std::uint64_t>, 6> inclusion{
      {{0, 0}, {1, 1}, {2, 1}, {0, above}, {~std::uint64_t{0}, ~std::uint64_t{0}}, {above, above}}};
  for (const auto& [index, size] : inclusion) {
    CHECK(audit::prove_inclusion(index, size, memory).error().code == base::Code::invalid);
    CHECK(audit::verify_inclusion(index, size, root, {}, root).error().code == base::Code::invalid);
  }
  constexpr std::array<std::pair<std::uint64_t, std::uint64_t>, 5> growth{
      {{0, 0}, {0, 1}, {2, 1}, {1, above}, {above, above}}};
  for (const auto& [older, newer] : growth) {
    CHECK(audit::prove_consistency(older, newer, memory).error().code == base::Code::invalid);
    CHECK(audit::verify_consistency(older, newer, root, root, {}).error().code ==
          base::Code::invalid);
  }
  CHECK(audit::root_at(above, memory).error().code == base::Code::invalid);
  CHECK(audit::range_at(above, memory).error().code == base::Code::invalid);
  // What the source says is passed on.
  CHECK(audit::prove_inclusion(0, 8, memory).error().code == base::Code::not_found);
  CHECK(audit::prove_consistency(3, 8, memory).error().code == base::Code::not_found);
  CHECK(audit::root_at(3, memory).error().code == base::Code::not_found);
}

TEST_CASE("proofs reach to the largest size") {
  const Uniform uniform;
  for (const std::uint64_t size : {std::uint64_t{100'000'000}, std::uint64_t{1} << 62U,
                                   audit::tree_size_limit - 1, audit::tree_size_limit}) {
    CAPTURE(size);
    const Digest root = audit::root_at(size, uniform).value();
    CHECK(audit::range_at(size, uniform)->root() == root);
    for (const std::uint64_t at : {std::uint64_t{1}, size / 3, size / 2, size - 2, size - 1}) {
      CAPTURE(at);
      const Proof path = audit::prove_inclusion(at, size, uniform).value();
      CHECK(path.size() <= audit::proof_limit);
      CHECK(audit::verify_inclusion(at, size, leaf_at(0), path, root).has_value());
      const Proof growth = audit::prove_consistency(at, size, uniform).value();
      CHECK(growth.size() <= audit::proof_limit);
      const Digest was = audit::root_at(at, uniform).value();
      CHECK(audit::verify_consistency(at, size, was, root, growth).has_value());
    }
  }
}

TEST_CASE("a compact range is read from exactly its bytes") {
  const Memory memory(100);
  const std::string state = audit::range_at(100, memory)->bytes();
  for (std::size_t size = 0; size < state.size(); ++size)
    CHECK(CompactRange::from_bytes(state.substr(0, size)).error().code == base::Code::malformed);
  CHECK(CompactRange::from_bytes(state + '\0').error().code == base::Code::malformed);
  CHECK(CompactRange::from_bytes(std::string(8, '\xFF')).error().code == base::Code::too_large);
  CHECK(CompactRange::from_bytes(std::string(8, '\0'))->root() == audit::empty_root());
}
