#include "store/pseudonym_key.h"

#include <array>
#include <format>
#include <string>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "crypto/random.h"
#include "store/secret_file.h"

namespace latticegate::store {

using base::Code;
using base::fail;
using base::Result;

Result<crypto::Secret> open_pseudonym_key(const std::filesystem::path& folder, bool may_make) {
  constexpr std::size_t digits = 64;
  const std::filesystem::path path = folder / "audit-pseudonyms.key";
  auto text = read_secret_file(path, digits + 2);
  if (!text) return std::unexpected(std::move(text).error());
  if (*text) {
    const std::string_view key = (*text)->reveal().substr(0, digits);
    if (key.size() != digits || !base::from_hex(key))
      return fail(Code::malformed, std::format("{} holds no key", path.string()));
    return crypto::Secret(key);
  }
  if (!may_make) return fail(Code::not_found, std::format("there is no {}", path.string()));
  std::error_code ignored;  // then the file cannot be written, which is told
  std::filesystem::create_directories(folder, ignored);
  crypto::SystemRandom random;
  std::array<std::byte, digits / 2> bytes{};
  random.fill(bytes);
  std::string made = base::to_hex(bytes);
  if (auto written = write_secret_file(path, made); !written)
    return std::unexpected(std::move(written).error());
  return crypto::Secret::taken_from(made);
}

}  // namespace latticegate::store
