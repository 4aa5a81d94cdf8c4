// Files that fail on command, for tests: real files underneath, and a plan of what goes wrong
// before each operation.
#pragma once
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "store/file.h"

namespace latticegate::store {

// Asked before every operation ("write", "sync", "truncate", "reserve", "create", "open",
// "sync_folder", "remove", "rename") with the number of bytes it is about; what it returns is done
// instead of the operation, if it is an error, and may lower the bytes of a write. Called from
// whatever thread works on the files.
using Fault = std::function<base::Result<void>(std::string_view operation, std::size_t& bytes)>;

class FaultyFiles final : public Files {
 public:
  explicit FaultyFiles(Fault fault) : fault_(std::move(fault)) {}

  base::Result<std::unique_ptr<File>> create(const std::filesystem::path& path) override {
    return ask("create").and_then([&] { return wrapped(files_.create(path)); });
  }
  base::Result<std::unique_ptr<File>> open(const std::filesystem::path& path) override {
    return ask("open").and_then([&] { return wrapped(files_.open(path)); });
  }
  base::Result<void> sync_folder(const std::filesystem::path& /*folder*/) override {
    return ask("sync_folder");
  }
  base::Result<void> remove(const std::filesystem::path& path) override {
    return ask("remove").and_then([&] { return files_.remove(path); });
  }
  base::Result<void> rename(const std::filesystem::path& from,
                            const std::filesystem::path& to) override {
    return ask("rename").and_then([&] { return files_.rename(from, to); });
  }
  base::Result<void> exchange(const std::filesystem::path& from,
                              const std::filesystem::path& to) override {
    return ask("rename").and_then([&] { return files_.exchange(from, to); });
  }

 private:
  class FaultyFile final : public File {
   public:
    FaultyFile(std::unique_ptr<File> file, FaultyFiles& owner)
        : file_(std::move(file)), owner_(owner) {}
    base::Result<std::size_t> write(base::ByteView bytes, std::uint64_t offset) override {
      std::size_t size = bytes.size();
      const auto asked = owner_.fault_("write", size);
      // Even a write that fails may have left some of its bytes.
      const auto done = size > 0 ? file_->write(bytes.first(size), offset) : std::size_t{0};
      if (!asked) return std::unexpected(asked.error());
      return done;
    }
    base::Result<void> sync() override { return owner_.ask("sync"); }
    base::Result<void> truncate(std::uint64_t size) override {
      return owner_.ask("truncate").and_then([&] { return file_->truncate(size); });
    }
    base::Result<void> reserve(std::uint64_t from, std::uint64_t to) override {
      return owner_.ask("reserve").and_then([&] { return file_->reserve(from, to); });
    }

   private:
    std::unique_ptr<File> file_;
    FaultyFiles& owner_;
  };

  base::Result<void> ask(std::string_view operation) {
    std::size_t none = 0;
    return fault_(operation, none);
  }
  base::Result<std::unique_ptr<File>> wrapped(base::Result<std::unique_ptr<File>> file) {
    if (!file) return file;
    return std::make_unique<FaultyFile>(*std::move(file), *this);
  }

  SystemFiles files_;
  Fault fault_;
};

}  // namespace latticegate::store
