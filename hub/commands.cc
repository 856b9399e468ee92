// init, and what administers tokens and users.

#include "hub/commands.h"

#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/ids.h"
#include "hub/auth/accounts.h"
#include "hub/auth/certificate.h"
#include "hub/auth/password.h"
#include "hub/data_folder.h"

namespace runnel::hub {
namespace {

int failed(const Error& error) {
  std::fprintf(stderr, "runnel-hub: %s\n", error.text().c_str());
  return error.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
}

Result<> make(const InitOptions& options, std::string* made_password) {
  const DataFolder folder{options.data};
  std::error_code error;
  std::filesystem::create_directories(folder.path, error);
  if (error) return unavailable("making `" + folder.path + "`: " + error.message());
  ::chmod(folder.path.c_str(), 0700);
  if (std::filesystem::exists(folder.server())) {
    return invalid("`" + folder.path + "` holds a hub already; serve it, or give another --data");
  }
  std::string password;
  if (options.password_file.empty()) {
    password = random_password();
    *made_password = password;
  } else {
    TRY_ASSIGN(read, read_secret(options.password_file));
    password = std::move(read);
  }
  std::vector<std::string> names = local_names();
  names.insert(names.end(), options.hosts.begin(), options.hosts.end());
  TRY_ASSIGN(certificates, make_certificates(names));
  TRY_ASSIGN(store, Store::open(folder.path));
  Accounts accounts(*store, system_clock());
  TRY_ASSIGN(users, accounts.users());
  if (users.empty()) TRY(accounts.add_user("admin", "administrator", password));
  TRY(write_file(folder.ca(), certificates.ca_pem, true));
  TRY(write_file(folder.ca_key(), certificates.ca_key_pem));
  TRY(write_file(folder.agents_token(), "rna_" + to_hex(random_bytes(32)) + "\n"));
  // Last: its presence says that the hub is made.
  return write_file(folder.server(), certificates.server_pem);
}

struct Opened {
  std::unique_ptr<Store> store;
  std::unique_ptr<Accounts> accounts;
};

Result<Opened> open(const std::string& data) {
  const DataFolder folder{data};
  if (!std::filesystem::exists(folder.server())) {
    return invalid("`" + data + "` holds no hub; make one by `runnel-hub init --data " + data +
                   "`");
  }
  TRY_ASSIGN(store, Store::open(data));
  Opened opened;
  opened.accounts = std::make_unique<Accounts>(*store, system_clock());
  opened.store = std::move(store);
  return opened;
}

Result<> change_user(const std::string& data, const std::string& name, const std::string* role,
                     const std::string& password_file) {
  TRY_ASSIGN(opened, open(data));
  std::string password;
  if (password_file.empty()) {
    password = random_password();
  } else {
    TRY_ASSIGN(read, read_secret(password_file));
    password = std::move(read);
  }
  if (role != nullptr) {
    TRY(opened.accounts->add_user(name, *role, password));
  } else {
    TRY(opened.accounts->change_password(name, password));
  }
  if (password_file.empty()) std::printf("password: %s\n", password.c_str());
  return Ok{};
}

}  // namespace

int init(const InitOptions& options) {
  std::string password;
  if (const Result<> made = make(options, &password); !made.ok()) return failed(made.error());
  std::printf("made a hub in %s\n", options.data.c_str());
  std::printf("  agents and browsers trust  %s\n", DataFolder{options.data}.ca().c_str());
  std::printf("  agents show the token in   %s\n", DataFolder{options.data}.agents_token().c_str());
  std::printf("user: admin\n");
  if (!password.empty()) std::printf("password: %s\n", password.c_str());
  return 0;
}

int token_create(const std::string& data, const std::string& name, const std::string& user) {
  auto opened = open(data);
  if (!opened.ok()) return failed(opened.error());
  const auto created = opened->accounts->create_token(user, name, std::nullopt);
  if (!created.ok()) return failed(created.error());
  std::printf("%s\n", created->secret.c_str());
  return 0;
}

int token_agents(const std::string& data) {
  const auto token = read_secret(DataFolder{data}.agents_token());
  if (!token.ok()) return failed(token.error());
  std::printf("%s\n", token->c_str());
  return 0;
}

int user_add(const std::string& data, const std::string& name, const std::string& role,
             const std::string& password_file) {
  const Result<> done = change_user(data, name, &role, password_file);
  return done.ok() ? 0 : failed(done.error());
}

int user_password(const std::string& data, const std::string& name,
                  const std::string& password_file) {
  const Result<> done = change_user(data, name, nullptr, password_file);
  return done.ok() ? 0 : failed(done.error());
}

int user_remove(const std::string& data, const std::string& name) {
  auto opened = open(data);
  if (!opened.ok()) return failed(opened.error());
  const Result<> done = opened->accounts->remove_user(name);
  return done.ok() ? 0 : failed(done.error());
}

int user_list(const std::string& data, bool is_json) {
  auto opened = open(data);
  if (!opened.ok()) return failed(opened.error());
  const auto users = opened->accounts->users();
  if (!users.ok()) return failed(users.error());
  if (is_json) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const User& user : *users) {
      list.push_back({{"name", user.name}, {"role", user.role}, {"created_ms", user.created_ms}});
    }
    std::printf("%s\n", list.dump(1).c_str());
    return 0;
  }
  for (const User& user : *users) {
    std::printf("%-24s %-14s since %s\n", user.name.c_str(), user.role.c_str(),
                iso_time(user.created_ms).c_str());
  }
  return 0;
}

}  // namespace runnel::hub
