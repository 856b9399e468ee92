// The commands of runnel-hub. Each returns an exit code: 0 good, 1 failed, 2 usage, 78
// configuration.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hub/settings.h"

namespace runnel::hub {

inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfiguration = 78;

struct InitOptions {
  std::string data;
  std::string password_file;       // empty: a password is made and printed
  std::vector<std::string> hosts;  // further names of the server certificate
};
int init(const InitOptions& options);

int serve(const Settings& settings);

int token_create(const std::string& data, const std::string& name, const std::string& user);
int token_agents(const std::string& data);
int user_add(const std::string& data, const std::string& name, const std::string& role,
             const std::string& password_file);
int user_password(const std::string& data, const std::string& name,
                  const std::string& password_file);
int user_remove(const std::string& data, const std::string& name);
int user_list(const std::string& data, bool is_json);

// The OpenAPI document; nothing has to run.
int print_openapi();
// Writes what is generated of the tree at `root`: the OpenAPI document and conf/hub.yaml.
int generate(const std::string& root);

}  // namespace runnel::hub
