// The kinds and numbers of cases that transparency-dev/merkle publishes for verifiers (98
// inclusion, 98 consistency, 204 subtree inclusion, 118 subtree consistency; RFC 9162 and the
// subtrees of Merkle tree certificates), made here one by one with a tree of its own: the
// definitions of the RFC written down as recursions, over the eight well-known leaves of
// Certificate Transparency.
#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <format>
#include <functional>
#include <string>
#include <vector>

#include "audit/receipt.h"
#include "audit/segment.h"
#include "audit/subtree.h"
#include "audit/tree.h"
#include "base/bytes.h"
#include "crypto/hash.h"

using namespace latticegate;
using audit::Digest;
using audit::Proof;
using audit::Subtree;

namespace {

// SHA-256 from its definition over bytes; nothing of audit/ is used down to the tests.
Digest hash(std::string_view prefix, std::string_view a, std::string_view b = {}) {
  return crypto::sha256(std::string(prefix) + std::string(a) + std::string(b));
}
std::string text(const Digest& digest) { return std::string(base::text_of(digest)); }
Digest joined(const Digest& a, const Digest& b) { return hash("\x01", text(a), text(b)); }

using Leaves = std::vector<Digest>;

Leaves well_known() {
  Leaves leaves;
  for (const std::string_view hex : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                                     "606162636465666768696a6b6c6d6e6f"})
    leaves.push_back(hash(std::string_view("\0", 1), *base::from_hex(hex)));
  return leaves;
}
Leaves some(std::size_t count) {
  Leaves leaves;
  for (std::size_t i = 0; i < count; ++i)
    leaves.push_back(hash(std::string_view("\0", 1), std::to_string(i)));
  return leaves;
}
Leaves part(const Leaves& leaves, std::size_t from, std::size_t to) {
  return {leaves.begin() + static_cast<std::ptrdiff_t>(from),
          leaves.begin() + static_cast<std::ptrdiff_t>(to)};
}

Digest root_of(const Leaves& leaves) {
  if (leaves.empty()) return hash("", "");
  if (leaves.size() == 1) return leaves.front();
  const std::size_t k = std::bit_ceil(leaves.size()) / 2;
  return joined(root_of(part(leaves, 0, k)), root_of(part(leaves, k, leaves.size())));
}

// PATH(m, D[n])
Proof path(std::size_t m, const Leaves& leaves) {
  if (leaves.size() <= 1) return {};
  const std::size_t k = std::bit_ceil(leaves.size()) / 2;
  const Leaves left = part(leaves, 0, k);
  const Leaves right = part(leaves, k, leaves.size());
  Proof proof = m < k ? path(m, left) : path(m - k, right);
  proof.push_back(m < k ? root_of(right) : root_of(left));
  return proof;
}

// SUBTREE_PROOF(start, end, D[n]); with start = 0 it is PROOF(end, D[n]).
Proof subproof(std::size_t start, std::size_t end, const Leaves& leaves, bool known) {
  if (start == 0 && end == leaves.size()) return known ? Proof{} : Proof{root_of(leaves)};
  const std::size_t k = std::bit_ceil(leaves.size()) / 2;
  const Leaves left = part(leaves, 0, k);
  const Leaves right = part(leaves, k, leaves.size());
  Proof proof;
  if (end <= k) {
    proof = subproof(start, end, left, known);
    proof.push_back(root_of(right));
  } else if (k <= start) {
    proof = subproof(start - k, end - k, right, known);
    proof.push_back(root_of(left));
  } else {
    proof = subproof(0, end - k, right, false);
    proof.push_back(root_of(left));
  }
  return proof;
}

const Digest other = hash("", "another hash");

struct Spoiled {
  std::string how;
  Proof proof;
};
// Every way to spoil a proof that the published cases have.
std::vector<Spoiled> spoiled(const Proof& good, const std::vector<Digest>& known) {
  std::vector<Spoiled> all;
  const auto add = [&](std::string how, const std::function<void(Proof&)>& change) {
    Proof proof = good;
    change(proof);
    all.push_back({std::move(how), std::move(proof)});
  };
  const auto front = [](Proof& proof, const Digest& hash) { proof.insert(proof.begin(), hash); };
  for (std::size_t i = 0; i < known.size(); ++i) {
    add(std::format("trailing root {}", i), [&](Proof& p) { p.push_back(known[i]); });
    add(std::format("preceding root {}", i), [&](Proof& p) { front(p, known[i]); });
  }
  add("trailing garbage", [](Proof& p) { p.push_back(Digest{}); });
  add("preceding garbage", [&](Proof& p) { front(p, Digest{}); });
  for (std::size_t i = 0; i < good.size(); ++i) {
    add(std::format("bit of hash {}", i), [&](Proof& p) { p[i][0] ^= std::byte{8}; });
    add(std::format("hash {} is another", i), [&](Proof& p) { p[i] = other; });
  }
  if (!good.empty()) {
    add("last hash removed", [](Proof& p) { p.pop_back(); });
    add("first hash removed", [](Proof& p) { p.erase(p.begin()); });
    add("none", [](Proof& p) { p.clear(); });
    add("last hash twice", [](Proof& p) { p.push_back(p.back()); });
  }
  if (good.size() > 1) {
    add("in the other order", [](Proof& p) { std::swap(p.front(), p.back()); });
    add("one in the middle", [](Proof& p) { p.insert(p.begin() + 1, other); });
  }
  return all;
}

struct Count {
  int good = 0;
  int bad = 0;
  void check(bool accepted, bool wanted, const std::string& what) {
    ++(wanted ? good : bad);
    CHECK_MESSAGE(accepted == wanted, what);
  }
  int all() const { return good + bad; }
};

}  // namespace

TEST_CASE("the well-known trees have their well-known roots") {
  const Leaves leaves = well_known();
  const std::vector<std::string_view> roots{
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  audit::CompactRange range;
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    CHECK(crypto::to_hex(root_of(part(leaves, 0, size))) == roots[size]);
    CHECK(crypto::to_hex(range.root()) == roots[size]);
    if (size < leaves.size()) range.append(leaves[size]);
  }
}

TEST_CASE("98 cases of inclusion and more") {
  const Leaves leaves = well_known();
  Count count;
  struct At {
    std::uint64_t index, size;
  };
  for (const auto& [index, size] :
       {At{0, 1}, At{0, 8}, At{5, 8}, At{2, 3}, At{1, 5}, At{4, 5}, At{6, 7}}) {
    const Leaves tree = part(leaves, 0, size);
    const Digest root = root_of(tree);
    const Digest leaf = leaves[index];
    const Proof proof = path(index, tree);
    const auto accepted = [&](std::uint64_t i, std::uint64_t n, const Digest& l, const Proof& p,
                              const Digest& r) {
      return audit::verify_inclusion(i, n, l, p, r).has_value();
    };
    const std::string at = std::format("{} of {}: ", index, size);
    count.check(accepted(index, size, leaf, proof, root), true, at + "as it is");
    for (const std::uint64_t wrong : {index - 1, index + 1, index ^ 2})
      count.check(accepted(wrong, size, leaf, proof, root), false,
                  at + std::format("index {}", wrong));
    for (const std::uint64_t wrong : {size * 2, size / 2})
      // In the tree of half the size the path may be no other; then the root is.
      count.check(accepted(index, wrong, leaf, proof, root), false,
                  at + std::format("size {}", wrong));
    count.check(accepted(index, size, other, proof, root), false, at + "another leaf");
    for (const Digest& wrong : {audit::empty_root(), other, Digest{}})
      count.check(accepted(index, size, leaf, proof, wrong), false, at + "another root");
    for (const Spoiled& bad : spoiled(proof, {root, leaf}))
      count.check(accepted(index, size, leaf, bad.proof, root), false, at + bad.how);
  }
  // Of the tree without leaves there is no proof at all.
  for (const Proof& proof : {Proof{}, Proof{other}})
    for (const Digest& root : {Digest{}, other, audit::empty_root()})
      for (const std::uint64_t index : {0UL, 1UL})
        count.check(audit::verify_inclusion(index, 0, other, proof, root).has_value(), false,
                    "of no leaves");
  CHECK(count.all() >= 98);
  MESSAGE(count.good, " good and ", count.bad, " bad cases");
}

TEST_CASE("98 cases of consistency and more") {
  const Leaves leaves = well_known();
  Count count;
  struct At {
    std::uint64_t older, newer;
  };
  for (const auto& [older, newer] :
       {At{1, 1}, At{1, 8}, At{6, 8}, At{2, 5}, At{4, 8}, At{7, 8}, At{8, 8}}) {
    const Leaves tree = part(leaves, 0, newer);
    const Digest from = root_of(part(leaves, 0, older));
    const Digest to = root_of(tree);
    const Proof proof = subproof(0, older, tree, true);
    const auto accepted = [](std::uint64_t m, std::uint64_t n, const Digest& a, const Digest& b,
                             const Proof& p) {
      return audit::verify_consistency(m, n, a, b, p).has_value();
    };
    const std::string at = std::format("{} to {}: ", older, newer);
    count.check(accepted(older, newer, from, to, proof), true, at + "as it is");
    // Where both are the same size the roots alone decide, and any wrong size makes a proof due.
    for (const std::uint64_t wrong : {older - 1, older + 1, older ^ 2})
      count.check(accepted(wrong, newer, from, to, proof), false,
                  at + std::format("older {}", wrong));
    for (const std::uint64_t wrong : {newer * 2, newer / 2})
      count.check(accepted(older, wrong, from, to, proof), false,
                  at + std::format("newer {}", wrong));
    for (const Digest& wrong : {other, audit::empty_root(), Digest{}}) {
      count.check(accepted(older, newer, wrong, to, proof), false, at + "another older root");
      count.check(accepted(older, newer, from, wrong, proof), false, at + "another newer root");
    }
    if (older != newer)
      count.check(accepted(older, newer, to, from, proof), false, at + "roots exchanged");
    for (const Spoiled& bad : spoiled(proof, {from, to}))
      count.check(accepted(older, newer, from, to, bad.proof), false, at + bad.how);
  }
  for (const std::uint64_t newer : {0UL, 1UL, 8UL})
    for (const Proof& proof : {Proof{}, Proof{other}})
      count.check(
          audit::verify_consistency(0, newer, audit::empty_root(), other, proof).has_value(), false,
          "from no leaves");
  CHECK(count.all() >= 98);
  MESSAGE(count.good, " good and ", count.bad, " bad cases");
}

TEST_CASE("204 cases of inclusion in a subtree and more") {
  const Leaves leaves = some(24);
  Count count;
  struct At {
    std::uint64_t index;
    Subtree subtree;
  };
  for (const auto& [index, subtree] :
       {At{0, {0, 1}}, At{5, {4, 8}}, At{7, {0, 8}}, At{8, {8, 13}}, At{12, {8, 13}},
        At{16, {16, 23}}, At{22, {16, 23}}, At{10, {10, 12}}, At{3, {3, 4}}}) {
    const Leaves tree = part(leaves, subtree.start, subtree.end);
    const Digest root = root_of(tree);
    const Proof proof = path(index - subtree.start, tree);
    const auto accepted = [&](std::uint64_t i, Subtree s, const Digest& l, const Proof& p,
                              const Digest& r) {
      return audit::verify_subtree_inclusion(i, s, l, p, r).has_value();
    };
    const std::string at = std::format("{} in {} to {}: ", index, subtree.start, subtree.end);
    const Digest leaf = leaves[index];
    count.check(accepted(index, subtree, leaf, proof, root), true, at + "as it is");
    for (const std::uint64_t wrong :
         {index - 1, index + 1, index ^ 2, subtree.end, subtree.start - 1})
      count.check(accepted(wrong, subtree, leaf, proof, root), false, at + "another index");
    const std::uint64_t size = subtree.end - subtree.start;
    for (const Subtree wrong :
         {Subtree{subtree.start, subtree.start}, Subtree{subtree.end, subtree.start},
          Subtree{subtree.start + 1, subtree.end + 1},
          Subtree{subtree.start, subtree.end + 4 * size},
          Subtree{subtree.start, subtree.start + size / 2}})
      count.check(accepted(index, wrong, leaf, proof, root), false, at + "another subtree");
    count.check(accepted(index, subtree, other, proof, root), false, at + "another leaf");
    for (const Digest& wrong : {audit::empty_root(), other, Digest{}})
      count.check(accepted(index, subtree, leaf, proof, wrong), false, at + "another root");
    for (const Spoiled& bad : spoiled(proof, {root, leaf}))
      count.check(accepted(index, subtree, leaf, bad.proof, root), false, at + bad.how);
  }
  CHECK(count.all() >= 204);
  MESSAGE(count.good, " good and ", count.bad, " bad cases");
}

TEST_CASE("118 cases of a subtree in a tree and more") {
  const Leaves leaves = some(24);
  Count count;
  struct At {
    Subtree subtree;
    std::uint64_t size;
  };
  for (const auto& [subtree, size] : {At{{0, 1}, 1}, At{{0, 6}, 8}, At{{4, 8}, 8}, At{{8, 13}, 13},
                                      At{{8, 13}, 20}, At{{16, 23}, 24}, At{{10, 12}, 21}}) {
    const Leaves tree = part(leaves, 0, size);
    const Digest from = root_of(part(leaves, subtree.start, subtree.end));
    const Digest to = root_of(tree);
    const Proof proof = subproof(subtree.start, subtree.end, tree, true);
    const auto accepted = [](Subtree s, std::uint64_t n, const Digest& a, const Digest& b,
                             const Proof& p) {
      return audit::verify_subtree_consistency(s, n, a, b, p).has_value();
    };
    const std::string at = std::format("{} to {} of {}: ", subtree.start, subtree.end, size);
    count.check(accepted(subtree, size, from, to, proof), true, at + "as it is");
    for (const Subtree wrong :
         {Subtree{subtree.start, subtree.start}, Subtree{subtree.start + 1, subtree.end + 1},
          Subtree{subtree.end, subtree.start}, Subtree{subtree.start, size + 1}})
      count.check(accepted(wrong, size, from, to, proof), false, at + "another subtree");
    for (const std::uint64_t wrong : {size * 4, subtree.end - 1})
      count.check(accepted(subtree, wrong, from, to, proof), false, at + "another size");
    for (const Digest& wrong : {other, audit::empty_root()}) {
      count.check(accepted(subtree, size, wrong, to, proof), false, at + "another subtree root");
      count.check(accepted(subtree, size, from, wrong, proof), false, at + "another root");
    }
    for (const Spoiled& bad : spoiled(proof, {from, to}))
      count.check(accepted(subtree, size, from, to, bad.proof), false, at + bad.how);
  }
  CHECK(count.all() >= 118);
  MESSAGE(count.good, " good and ", count.bad, " bad cases");
}

TEST_CASE("every proof there is in small trees, made by the recursions, is accepted") {
  constexpr std::uint64_t most = 24;
  const Leaves leaves = some(most);
  int proofs = 0;
  for (std::uint64_t size = 1; size <= most; ++size) {
    const Leaves tree = part(leaves, 0, size);
    const Digest root = root_of(tree);
    for (std::uint64_t start = 0; start < size; ++start) {
      CHECK(audit::verify_inclusion(start, size, leaves[start], path(start, tree), root));
      ++proofs;
      for (std::uint64_t end = start + 1; end <= size; ++end) {
        const Subtree subtree{start, end};
        if (!audit::is_subtree(subtree)) continue;
        const Digest part_root = root_of(part(leaves, start, end));
        const Proof proof = subproof(start, end, tree, true);
        CAPTURE(start);
        CAPTURE(end);
        CAPTURE(size);
        CHECK(audit::verify_subtree_consistency(subtree, size, part_root, root, proof));
        CHECK_FALSE(audit::verify_subtree_consistency(subtree, size, other, root, proof));
        if (start == 0) CHECK(audit::verify_consistency(end, size, part_root, root, proof));
        ++proofs;
      }
    }
  }
  MESSAGE(proofs, " proofs");
}

TEST_CASE("hashes of another length are no hashes: a receipt with one is refused") {
  for (const std::size_t size : {1UL, 12UL, 31UL, 33UL, 64UL}) {  // an empty line ends the proof
    const std::string text = std::format("c2sp.org/tlog-proof@v1\nindex 0\n{}\n\nnote\n",
                                         base::to_base64(base::bytes_of(std::string(size, 'x'))));
    CHECK_FALSE(audit::read_receipt(text).has_value());
  }
}
