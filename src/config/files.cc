#include "config/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <format>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace latticegate::config {
namespace {

using base::Code;
using base::fail;
using base::os_reason;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

base::Result<FileText> read_text(const std::filesystem::path& file, base::Bytes most) {
  // Not blocking, so that a named pipe in the place of a file cannot hold us up.
  const Descriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (opened.number() < 0)
    return fail(errno == ENOENT ? Code::not_found : Code::io,
                std::format("cannot open {}: {}", file.string(), os_reason(errno)));
  struct stat status{};
  if (::fstat(opened.number(), &status) != 0)
    return fail(Code::io, std::format("cannot read {}: {}", file.string(), os_reason(errno)));
  if (!S_ISREG(status.st_mode))
    return fail(Code::io, std::format("{} is not a file", file.string()));
  FileText out;
  out.readable_by_others = (status.st_mode & S_IROTH) != 0;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t got = ::read(opened.number(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return fail(Code::io, std::format("cannot read {}: {}", file.string(), os_reason(errno)));
    if (got == 0) return out;
    out.text.append(buffer, static_cast<std::size_t>(got));
    if (out.text.size() > most.count)
      return fail(Code::too_large,
                  std::format("{} is larger than {} bytes", file.string(), most.count));
  }
}

}  // namespace

Surroundings machine() {
  std::vector<Override> overrides;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    if (!name.starts_with(override_prefix)) continue;
    if (!name.substr(override_prefix.size()).contains("__")) continue;  // LATTICEGATE_TOKEN
    if (equals == std::string_view::npos) continue;
    overrides.push_back({std::string(name), std::string(text.substr(equals + 1))});
  }
  std::ranges::sort(overrides, {}, &Override::variable);  // errors in the same order each time
  return {
      .read_file =
          [](const std::filesystem::path& file) { return read_text(file, longest_secret); },
      .variable = [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        if (value == nullptr) return std::nullopt;
        return std::string(value);
      },
      .look =
          [](const std::filesystem::path& path) {
            std::error_code ignored;
            const auto status = std::filesystem::status(path, ignored);
            if (std::filesystem::is_regular_file(status)) return Kind::file;
            return std::filesystem::is_directory(status) ? Kind::directory : Kind::nothing;
          },
      .overrides = std::move(overrides),
  };
}

base::Result<Loaded> load(const std::filesystem::path& file) {
  auto text = read_text(file, longest_file);
  if (!text) return std::unexpected(std::move(text).error());
  std::error_code problem;
  const std::filesystem::path full = std::filesystem::absolute(file, problem);
  if (problem)
    return fail(Code::io,
                std::format("cannot tell where {} is: {}", file.string(), problem.message()));
  return read({.text = text->text, .name = file.string(), .directory = full.parent_path()},
              machine());
}

}  // namespace latticegate::config
