// An advisory lock on a state directory, and on the file `lock` in it.

#include "agent/runtime/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

namespace runnel {

Result<> make_state_directory(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  const bool was_there = fs::exists(directory, error);
  fs::create_directories(directory, error);
  // What is queued is nobody else's business. A directory that was there is its owner's to close.
  if (!error && !was_there) fs::permissions(directory, fs::perms::owner_all, error);
  if (!error) return {};
  const std::string why = "state directory `" + directory + "`: " + error.message();
  if (error == std::errc::no_space_on_device || error.value() == EDQUOT) return unavailable(why);
  if (error != std::errc::read_only_file_system) return invalid(why);
  std::error_code unseen;
  fs::path above = fs::absolute(directory, unseen).lexically_normal();
  if (!above.has_filename()) above = above.parent_path();  // it ended in `/`
  above = above.parent_path();
  if (fs::is_directory(above, unseen)) return unavailable(why);
  return invalid(why + ", and `" + above.string() + "` is not there either; is the path right?");
}

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(const std::string& directory) {
  TRY(make_state_directory(directory));
  const int whole = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::string path = directory + "/lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const int why = file >= 0 ? 0 : errno;
  std::unique_ptr<DirectoryLock> lock(new DirectoryLock(file, whole));
  const bool is_closed = why == EROFS || why == EACCES || why == ENOSPC || why == EDQUOT;
  if (file < 0 && !(is_closed && whole >= 0))
    return unavailable("state directory `" + directory + "`: " + std::strerror(why));
  if (!lock->is_held()) {
    char owner[32] = {};
    const ssize_t size = file >= 0 ? ::pread(file, owner, sizeof owner - 1, 0) : ssize_t{0};
    const std::string process = size > 0 ? " (process " + std::string(owner) + ")" : "";
    return unavailable("state directory `" + directory + "` is in use by another agent" + process +
                       "; stop it first, or choose another --state");
  }
  if (file >= 0) {
    const std::string me = std::to_string(::getpid());
    // Only a courtesy to whoever comes second.
    [[maybe_unused]] const int cut = ::ftruncate(file, 0);
    [[maybe_unused]] const ssize_t told = ::pwrite(file, me.data(), me.size(), 0);
  }
  return lock;
}

// The directory itself is held, too: it is there when the file was cleared away, and where nothing
// can be written it keeps others from an agent that waits. Not every kind of disk can hold one.
bool DirectoryLock::is_held() const {
  const auto holds = [](const Descriptor& one) {
    return ::flock(one.number(), LOCK_EX | LOCK_NB) == 0;
  };
  if (!file_.is_open()) return holds(directory_);
  return holds(file_) && (holds(directory_) || errno != EWOULDBLOCK);
}

}  // namespace runnel
