// The keys of a state directory: made, refused, damaged, rotated, cut off at every step.

#include "agent/runtime/keyring.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "agent/base/log.h"
#include "agent/runtime/key_source.h"
#include "agent/runtime/ledger_parts.h"
#include "agent/store/database.h"
#include "tests/support/wrapped_disk.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    path = (std::filesystem::temp_directory_path() / "runnel-keys-XXXXXX").string();
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    set_log_sink([](std::string_view) {});
  }
  ~Folder() {
    set_log_sink(nullptr);
    std::filesystem::remove_all(path);
  }
  std::string path;
};

std::map<std::string, std::string> files_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& one : std::filesystem::recursive_directory_iterator(folder)) {
    if (!one.is_regular_file() || one.path().filename() == "lock") continue;
    std::ifstream in(one.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    files[one.path().string()] = text.str();
  }
  return files;
}

// The machine's disk until a number of calls; then the power is off.
class FailingDisk final : public test::WrappedDisk {
 public:
  explicit FailingDisk(int calls) : left(calls) {}
  int left;

  Result<std::unique_ptr<DiskFile>> make(const std::string& path) override {
    TRY(step());
    TRY_ASSIGN(file, under().make(path));
    return std::unique_ptr<DiskFile>(std::make_unique<File>(*this, std::move(file)));
  }
  Result<> remove(const std::string& path) override {
    TRY(step());
    return under().remove(path);
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    TRY(step());
    return under().rename(from, to);
  }
  Result<> link(const std::string& from, const std::string& to) override {
    TRY(step());
    return under().link(from, to);
  }
  Result<> sync_directory(const std::string& path) override {
    TRY(step());
    return under().sync_directory(path);
  }

 private:
  class File final : public DiskFile {
   public:
    File(FailingDisk& disk, std::unique_ptr<DiskFile> file) : disk_(disk), file_(std::move(file)) {}
    Result<std::size_t> read_at(std::uint64_t at, char* into, std::size_t size) const override {
      return file_->read_at(at, into, size);
    }
    Result<> write_at(std::uint64_t at, std::string_view bytes) override {
      // The write under way is torn.
      if (disk_.left == 1)
        static_cast<void>(file_->write_at(at, bytes.substr(0, bytes.size() / 2)).ok());
      TRY(disk_.step());
      return file_->write_at(at, bytes);
    }
    Result<> sync() override {
      TRY(disk_.step());
      return file_->sync();
    }
    Result<std::uint64_t> size() const override { return file_->size(); }

   private:
    FailingDisk& disk_;
    const std::unique_ptr<DiskFile> file_;
  };
  Result<> step() { return --left > 0 ? Result<>() : Result<>(unavailable("the power is off")); }
};

}  // namespace

TEST_CASE("a state directory makes its own keys once, and only their owner can read them") {
  Folder folder;
  const KeyringOptions options{.state_dir = folder.path};
  const auto first = open_keyring(options);
  REQUIRE(first.ok());
  struct stat status {};
  REQUIRE(::stat((folder.path + "/keys/master").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  const std::string sealed = (*first)->seal("a secret", "here");
  CHECK(*(*open_keyring(options))->open(sealed, "here") == "a secret");
  for (const auto& [path, text] : files_of(folder.path))
    CHECK(text.find("a secret") == std::string::npos);
}

TEST_CASE("another key is refused with both ids and the file, and nothing is changed") {
  Folder folder;
  const std::string right = folder.path + "/right";
  const std::string wrong = folder.path + "/wrong";
  REQUIRE(make_key_file(right).ok());
  REQUIRE(make_key_file(wrong).ok());
  const std::string state = folder.path + "/state";
  REQUIRE(open_keyring({.state_dir = state, .source = right}).ok());
  const KeyStatus status = *keyring_status({.state_dir = state, .source = right});
  const auto before = files_of(state);
  for (const std::string& source : {wrong, std::string()}) {
    const auto refused = open_keyring({.state_dir = state, .source = source});
    REQUIRE(refused.code() == Code::kInvalid);
    CHECK(refused.error().text().find(status.master) != std::string::npos);
    CHECK(refused.error().text().find(source.empty() ? "keys/master" : wrong) != std::string::npos);
    CHECK(files_of(state) == before);
  }
  CHECK(open_keyring({.state_dir = state, .source = folder.path + "/none"}).code() ==
        Code::kInvalid);
  CHECK(files_of(state) == before);
}

TEST_CASE("a key file that others can read is refused") {
  Folder folder;
  const std::string key = folder.path + "/key";
  REQUIRE(make_key_file(key).ok());
  CHECK(read_master_key(key).ok());
  CHECK(make_key_file(key).code() == Code::kInvalid);  // it is not written over
  REQUIRE(::chmod(key.c_str(), 0640) == 0);
  const auto refused = read_master_key("file:" + key);
  CHECK(refused.code() == Code::kInvalid);
  CHECK(refused.error().text().find("chmod 600") != std::string::npos);
}

TEST_CASE("a key comes from systemd's credentials, in text or as it is") {
  Folder folder;
  REQUIRE(::setenv("CREDENTIALS_DIRECTORY", folder.path.c_str(), 1) == 0);
  std::ofstream(folder.path + "/text") << std::string(64, 'a') << "\n";
  std::ofstream(folder.path + "/raw") << std::string(32, '\x07');
  std::ofstream(folder.path + "/short") << "abcd";
  CHECK(*read_master_key("credential:text") == std::string(32, '\xAA'));
  CHECK(*read_master_key("credential:raw") == std::string(32, '\x07'));
  CHECK(read_master_key("credential:short").code() == Code::kInvalid);
  CHECK(read_master_key("credential:../text").code() == Code::kInvalid);
  REQUIRE(::unsetenv("CREDENTIALS_DIRECTORY") == 0);
  CHECK(read_master_key("credential:text").code() == Code::kInvalid);
}

TEST_CASE("one damaged file of the keys costs nothing") {
  Folder folder;
  const KeyringOptions options{.state_dir = folder.path};
  const std::string sealed = (*open_keyring(options))->seal("a secret", "here");
  const auto whole = files_of(folder.path);
  for (const auto& [path, text] : whole) {
    for (const std::size_t at : {std::size_t{0}, text.size() / 2, text.size() - 2}) {
      std::string damaged = text;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      std::ofstream(path, std::ios::binary) << damaged;
      const auto opened = open_keyring(options);
      INFO(path << " at " << at);
      REQUIRE(opened.ok());
      CHECK(*(*opened)->open(sealed, "here") == "a secret");
      std::ofstream(path, std::ios::binary) << text;
    }
  }
}

TEST_CASE("after a rotation new keys seal, and what was sealed before still opens") {
  Folder folder;
  const KeyringOptions options{.state_dir = folder.path};
  const auto before = *open_keyring(options);
  const std::string sealed = before->seal("a secret", "here");
  const KeyStatus old = *keyring_status(options);
  const KeyStatus fresh = *rotate_keys(options, "");
  CHECK(fresh.master != old.master);
  CHECK(fresh.data_keys.size() == 2);
  CHECK_FALSE(fresh.is_rotation_unfinished);
  const auto after = *open_keyring(options);
  CHECK(*after->open(sealed, "here") == "a secret");
  CHECK(after->seal("", "").substr(0, 8) == *from_hex(fresh.data_keys.back()));
}

TEST_CASE("a new master key takes over at the first start with it; until then both open") {
  Folder folder;
  const std::string first = folder.path + "/first";
  const std::string second = folder.path + "/second";
  REQUIRE(make_key_file(first).ok());
  REQUIRE(make_key_file(second).ok());
  const std::string state = folder.path + "/state";
  const KeyringOptions with_first{.state_dir = state, .source = first};
  const KeyringOptions with_second{.state_dir = state, .source = second};
  const std::string sealed = (*open_keyring(with_first))->seal("a secret", "here");
  REQUIRE(rotate_keys(with_first, second).ok());
  CHECK(*(*open_keyring(with_first))->open(sealed, "here") == "a secret");
  CHECK(*(*open_keyring(with_second))->open(sealed, "here") == "a secret");
  CHECK(open_keyring(with_first).code() == Code::kInvalid);
}

TEST_CASE("a rotation that ends at any of its steps leaves keys that open everything") {
  for (const bool is_own : {true, false}) {
    int steps = 0;
    for (bool is_done = false; !is_done; ++steps) {
      Folder folder;
      const std::string second = folder.path + "/second";
      REQUIRE(make_key_file(second).ok());
      const std::string first = folder.path + "/first";
      REQUIRE(make_key_file(first).ok());
      KeyringOptions options{.state_dir = folder.path + "/state", .source = is_own ? "" : first};
      const std::string sealed = (*open_keyring(options))->seal("a secret", "here");
      FailingDisk disk(steps + 1);
      KeyringOptions failing = options;
      failing.disk = &disk;
      is_done = rotate_keys(failing, is_own ? "" : second).ok();
      const auto opened = open_keyring(options);
      INFO("cut at step " << steps << (opened.ok() ? "" : opened.error().text()));
      REQUIRE(opened.ok());
      CHECK(*(*opened)->open(sealed, "here") == "a secret");
      REQUIRE(rotate_keys(options, is_own ? "" : second).ok());
      CHECK(*(*open_keyring(options))->open(sealed, "here") == "a secret");
    }
    CHECK(steps > 10);
  }
}

// A state directory with three data keys; what is given is sealed under the first one.
struct OldKeys {
  OldKeys() {
    sealed = (*open_keyring(options))->seal("a secret", "here");
    for (int i = 0; i < 2; ++i) REQUIRE(rotate_keys(options, "").ok());
    fs::create_directories(folder.path + "/content");
    fs::create_directories(folder.path + "/archive");
  }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder.path + "/" + name, std::ios::binary) << bytes;
  }
  std::size_t forget(bool is_needed) const {
    const auto sealer = *open_keyring(options);
    const auto forgotten = forget_unused_keys(options, *sealer);
    REQUIRE_MESSAGE(forgotten.ok(), forgotten.error().text());
    const auto opened = (*open_keyring(options))->open(sealed, "here");
    CHECK(opened.ok() == is_needed);
    const std::string now = sealer->seal("new", "there");
    CHECK(*(*open_keyring(options))->open(now, "there") == "new");
    return *forgotten;
  }
  Folder folder;
  Folder elsewhere;
  const KeyringOptions options{.state_dir = folder.path};
  std::string sealed;
};

TEST_CASE("old keys that nothing on disk names are forgotten, and only they") {
  {
    OldKeys keys;
    CHECK(keys.forget(false) == 2);
    CHECK(keyring_status(keys.options)->data_keys.size() == 1);
    CHECK(keys.forget(false) == 0);
  }
  struct Place {
    const char* what;
    std::function<void(const OldKeys&)> put;
  };
  const auto body = [](const OldKeys& keys) { return "\x04sums" + keys.sealed; };
  const auto row = [&body](const char* table) {
    return [table, &body](const OldKeys& keys) {
      auto database =
          *Database::open(keys.folder.path + "/ledger.db", {.application_id = kLedgerApplication});
      REQUIRE(database
                  ->execute("CREATE TABLE batch(id INTEGER PRIMARY KEY, head BLOB, body BLOB);"
                            "CREATE TABLE provenance(id INTEGER PRIMARY KEY, body BLOB)")
                  .ok());
      auto insert = *database->prepare("INSERT INTO " + std::string(table) + "(body) VALUES(?)");
      for (const std::string& one : {std::string("\x01plain"), body(keys)})
        REQUIRE(insert.bind_blob(1, one).run().ok());
    };
  };
  const std::vector<Place> places{
      {"a row", row("batch")},
      {"a row of provenance", row("provenance")},
      {"a block of a segment that is not the first",
       [](const OldKeys& keys) {
         keys.write("content/7.enc", std::string(4096, 'x') + keys.sealed);
       }},
      {"a segment in a directory that is a link to another",
       [](const OldKeys& keys) {
         const std::string link = keys.folder.path + "/content";
         fs::remove(link);
         fs::create_directory_symlink(keys.elsewhere.path, link);
         keys.write("content/7.enc", keys.sealed);
       }},
      {"an archive, over the edge of what is read at once",
       [](const OldKeys& keys) {
         keys.write("archive/1.arc", std::string((256 << 10) - 3, 'x') + keys.sealed);
       }},
      {"a flow of the hub",
       [](const OldKeys& keys) { keys.write("hub-flow.previous", "head" + keys.sealed); }},
      {"a file that nobody knows",
       [](const OldKeys& keys) { keys.write("something", keys.sealed); }},
  };
  for (const Place& place : places) {
    CAPTURE(place.what);
    OldKeys keys;
    place.put(keys);
    CHECK(keys.forget(true) == 1);
    CHECK(keyring_status(keys.options)->data_keys.size() == 2);
  }
  OldKeys quarantined;
  fs::create_directories(quarantined.folder.path + "/quarantine/2026");
  CHECK(quarantined.forget(true) == 0);
  OldKeys damaged;
  damaged.write("ledger.db", "no database");
  const auto unknown = forget_unused_keys(damaged.options, **open_keyring(damaged.options));
  CHECK_FALSE(unknown.ok());
  CHECK(keyring_status(damaged.options)->data_keys.size() == 3);
}

TEST_CASE("the key of a sealer that is older than the last rotation is not forgotten") {
  Folder folder;
  const KeyringOptions options{.state_dir = folder.path};
  const auto running = *open_keyring(options);
  REQUIRE(rotate_keys(options, "").ok());
  CHECK(*forget_unused_keys(options, *running) == 0);
  const std::string sealed = running->seal("a secret", "here");
  CHECK(*(*open_keyring(options))->open(sealed, "here") == "a secret");
}

TEST_CASE("forgetting keys that ends at any of its steps leaves keys that open everything") {
  int steps = 0;
  for (bool is_done = false; !is_done; ++steps) {
    Folder folder;
    const KeyringOptions options{.state_dir = folder.path};
    REQUIRE(open_keyring(options).ok());
    REQUIRE(rotate_keys(options, "").ok());
    const std::string sealed = (*open_keyring(options))->seal("a secret", "here");
    std::ofstream(folder.path + "/hub-flow", std::ios::binary) << sealed;
    REQUIRE(rotate_keys(options, "").ok());
    FailingDisk disk(steps + 1);
    KeyringOptions failing = options;
    failing.disk = &disk;
    const auto sealer = *open_keyring(options);
    is_done = forget_unused_keys(failing, *sealer).ok();
    INFO("cut at step " << steps);
    const auto opened = open_keyring(options);
    REQUIRE(opened.ok());
    CHECK(*(*opened)->open(sealed, "here") == "a secret");
    CHECK(*(*opened)->open(sealer->seal("new", "there"), "there") == "new");
    CHECK(forget_unused_keys(options, *sealer).ok());
    CHECK(keyring_status(options)->data_keys.size() == 2);
  }
  CHECK(steps > 8);
}

TEST_CASE("a first start that ends at any of its steps is followed by a good one") {
  int steps = 0;
  for (bool is_done = false; !is_done; ++steps) {
    Folder folder;
    FailingDisk disk(steps + 1);
    is_done = open_keyring({.state_dir = folder.path, .disk = &disk}).ok();
    REQUIRE(open_keyring({.state_dir = folder.path}).ok());
  }
  CHECK(steps > 10);
}

}  // namespace runnel
