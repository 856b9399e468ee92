// Programs that tests start: always by argument vector, ended by pid; temporary directories that go
// away.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace runnel::test {

// Runs a program and waits; throws unless it exits with 0. Returns its standard output.
std::string run_to_end(const std::vector<std::string>& arguments, const std::string& input = {});

class Process {
 public:
  Process() = default;
  // Standard output and error go to `log_file`. It is killed when this test program dies.
  Process(const std::vector<std::string>& arguments, const std::string& log_file);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  int pid() const { return pid_; }
  bool is_running();
  void signal(int number);
  // Sends the signal and waits for the end.
  void end(int number);

 private:
  int pid_ = -1;
};

// A new directory that all users can enter; removed with all in it.
class TempFolder {
 public:
  explicit TempFolder(const std::filesystem::path& in = std::filesystem::temp_directory_path());
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace runnel::test
