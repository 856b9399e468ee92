// An advisory lock on the file `lock` of a state directory.

#include "agent/runtime/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
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
  const std::string path = directory + "/lock";
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  // Where nothing can be written the directory itself is as good a thing to hold: an agent that
  // waits there keeps others away, too.
  if (descriptor < 0 && (errno == EROFS || errno == EACCES || errno == ENOSPC || errno == EDQUOT))
    descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return unavailable("state directory `" + directory + "`: " + std::strerror(errno));
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    char owner[32] = {};
    const ssize_t size = ::read(descriptor, owner, sizeof owner - 1);
    ::close(descriptor);
    const std::string process = size > 0 ? " (process " + std::string(owner) + ")" : "";
    return unavailable("state directory `" + directory + "` is in use by another agent" + process +
                       "; stop it first, or choose another --state");
  }
  const std::string me = std::to_string(::getpid());
  // Only a courtesy to whoever comes second.
  [[maybe_unused]] const int cut = ::ftruncate(descriptor, 0);
  [[maybe_unused]] const ssize_t told = ::pwrite(descriptor, me.data(), me.size(), 0);
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(descriptor));
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

}  // namespace runnel
