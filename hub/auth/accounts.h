// Accounts: users, their sessions and API tokens, in the store. It owns the tables users, sessions
// and tokens.
//
// A session's and a token's secret is kept as its SHA-256 only: who reads the database can log in
// as nobody.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/name.h"
#include "agent/base/result.h"
#include "hub/http/message.h"
#include "hub/store/store.h"

namespace runnel::hub {

struct User {
  std::string name;
  std::string role;
  std::int64_t created_ms = 0;
};

struct Token {
  std::string id;
  std::string name;
  std::string user;
  std::int64_t created_ms = 0;
  std::optional<std::int64_t> expires_ms = {};
  std::optional<std::int64_t> used_ms = {};
};

struct NewSession {
  std::string secret;  // the cookie's value
  Identity identity;
};

class Accounts {
 public:
  static constexpr std::int64_t kSessionIdleMs = 30 * 60'000;
  static constexpr std::int64_t kSessionMs = 12 * 3'600'000;
  static constexpr int kFailuresMax = 10;  // wrong passwords for one user or from one address…
  static constexpr std::int64_t kFailureWindowMs = 5 * 60'000;  // …in this time
  static constexpr std::size_t kFailureKeysMax = 10'000;
  static constexpr std::size_t kTokensMax = 1'000;

  Accounts(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // kInvalid: the name is taken or unfit, the password too short, the role unknown.
  Result<> add_user(const std::string& name, const std::string& role, std::string_view password);
  // Ends the user's sessions. kNotFound.
  Result<> change_password(const std::string& name, std::string_view password);
  // With sessions and tokens. kInvalid for the last administrator.
  Result<> remove_user(const std::string& name);
  Result<std::vector<User>> users();

  // kNotFound: wrong user or password (which of them is not said, and takes the same time). kFull:
  // too many wrong ones lately.
  Result<NewSession> log_in(const std::string& user, std::string_view password,
                            const std::string& remote);
  Result<> log_out(const std::string& session);
  std::optional<Identity> identity_of_session(std::string_view secret);
  std::optional<Identity> identity_of_token(std::string_view token);

  struct CreatedToken {
    Token token;
    std::string secret;  // shown this once
  };
  Result<CreatedToken> create_token(const std::string& user, const std::string& name,
                                    std::optional<std::int64_t> expires_ms);
  // An administrator sees and removes everybody's, others their own.
  Result<std::vector<Token>> tokens(const Identity& who);
  // Returns its name.
  Result<std::string> remove_token(const Identity& who, const std::string& id);

  // When sessions and tokens were last used; what has expired is removed. For the flusher.
  Result<> flush();

 private:
  bool is_throttled(const std::string& key) EXCLUDES(mutex_);
  void note_failure(const std::string& key) EXCLUDES(mutex_);
  void note_use(const std::string& table_and_key, std::int64_t now) EXCLUDES(mutex_);
  std::int64_t last_use(const std::string& table_and_key, std::int64_t stored) EXCLUDES(mutex_);

  struct Failures {
    std::int64_t began_ms = 0;
    int count = 0;
  };

  Store& store_;
  const Clock& clock_;
  Mutex mutex_;
  std::map<std::string, Failures> failures_ GUARDED_BY(mutex_);
  std::map<std::string, std::int64_t> used_ GUARDED_BY(mutex_);  // not yet written
};

}  // namespace runnel::hub
