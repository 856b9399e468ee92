// A folder with a hub's store in it, for tests.

#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "hub/store/store.h"

namespace runnel::hub {

struct HubFolder {
  HubFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "runnel-hub-XXXXXX").string();
    path = mkdtemp(pattern.data());
    open();
  }
  ~HubFolder() {
    store.reset();
    std::filesystem::remove_all(path);
  }
  // As after a restart.
  void open() {
    store.reset();
    auto opened = Store::open(path);
    REQUIRE(opened.ok());
    store = std::move(opened).value();
  }
  std::string path;
  std::unique_ptr<Store> store;
};

}  // namespace runnel::hub
