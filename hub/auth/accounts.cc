// Users, sessions and tokens.

#include "hub/auth/accounts.h"

#include <algorithm>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/ids.h"
#include "hub/auth/password.h"

namespace runnel::hub {
namespace {

constexpr std::string_view kTokenPrefix = "rnl_";

std::string csrf_of(std::string_view secret) {
  return sha256_hex("csrf:" + std::string(secret)).substr(0, 32);
}

bool is_role(std::string_view role) {
  return role == "administrator" || role == "operator" || role == "viewer";
}

Result<> end_sessions(Database& database, const std::string& user) {
  TRY_ASSIGN(statement, database.prepare("DELETE FROM sessions WHERE user = ?"));
  return statement.bind_text(1, user).run();
}

}  // namespace

Result<> Accounts::add_user(const std::string& name, const std::string& role,
                            std::string_view password) {
  if (!is_good_name(name)) return invalid("a user's name is " + std::string(kGoodName));
  if (name == "hub") return invalid("`hub` is the name of what the hub does by itself");
  if (!is_role(role))
    return invalid("`" + role + "` is no role; one of administrator, operator, viewer");
  TRY_ASSIGN(hash, password_hash(password));
  return store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(known, database.prepare("SELECT 1 FROM users WHERE name = ?"));
    TRY_ASSIGN(is_known, known.bind_text(1, name).step());
    if (is_known) return invalid("there is a user `" + name + "` already");
    TRY_ASSIGN(insert, database.prepare("INSERT INTO users VALUES (?, ?, ?, ?)"));
    return insert.bind_text(1, name)
        .bind_text(2, role)
        .bind_text(3, hash)
        .bind(4, clock_.wall_ms())
        .run();
  });
}

Result<> Accounts::change_password(const std::string& name, std::string_view password) {
  TRY_ASSIGN(hash, password_hash(password));
  return store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(update, database.prepare("UPDATE users SET password_hash = ? WHERE name = ?"));
    TRY(update.bind_text(1, hash).bind_text(2, name).run());
    if (database.changes() == 0) return not_found("there is no user `" + name + "`");
    return end_sessions(database, name);
  });
}

Result<> Accounts::remove_user(const std::string& name) {
  return store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(
        others,
        database.prepare("SELECT count(*) FROM users WHERE role = 'administrator' AND name <> ?"));
    TRY_ASSIGN(has_count, others.bind_text(1, name).step());
    if (has_count && others.integer(0) == 0)
      return invalid("`" + name + "` is the last administrator");
    others.reset();
    TRY_ASSIGN(remove, database.prepare("DELETE FROM users WHERE name = ?"));
    TRY(remove.bind_text(1, name).run());
    if (database.changes() == 0) return not_found("there is no user `" + name + "`");
    return Ok{};
  });
}

Result<std::vector<User>> Accounts::users() {
  std::vector<User> users;
  TRY(store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare("SELECT name, role, created_ms FROM users ORDER BY name"));
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      users.push_back({text_of(select, 0), text_of(select, 1), select.integer(2)});
    }
  }));
  return users;
}

// ---------------------------------------------------------------------------------------- login

bool Accounts::is_throttled(const std::string& key) {
  Lock lock(mutex_);
  const auto found = failures_.find(key);
  if (found == failures_.end()) return false;
  if (clock_.wall_ms() - found->second.began_ms > kFailureWindowMs) {
    failures_.erase(found);
    return false;
  }
  return found->second.count >= kFailuresMax;
}

void Accounts::note_failure(const std::string& key) {
  const std::int64_t now = clock_.wall_ms();
  Lock lock(mutex_);
  if (failures_.size() >= kFailureKeysMax && failures_.find(key) == failures_.end()) {
    std::erase_if(failures_, [&](const auto& entry) {
      return now - entry.second.began_ms > kFailureWindowMs;
    });
    if (failures_.size() >= kFailureKeysMax) failures_.erase(failures_.begin());
  }
  Failures& failures = failures_[key];
  if (failures.count == 0) failures.began_ms = now;
  ++failures.count;
}

Result<NewSession> Accounts::log_in(const std::string& user, std::string_view password,
                                    const std::string& remote) {
  if (is_throttled("user:" + user) || is_throttled("from:" + remote)) {
    return full("too many wrong passwords; try again in five minutes");
  }
  std::string hash;
  std::string role;
  TRY(store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare("SELECT password_hash, role FROM users WHERE name = ?"));
    TRY_ASSIGN(has_row, select.bind_text(1, user).step());
    if (has_row) {
      hash = select.text(0);
      role = select.text(1);
    }
    return Ok{};
  }));
  // A user that is not there takes as long as a wrong password.
  static const std::string nobody = password_hash(random_password()).value_or("");
  const bool matches = password_matches(password, hash.empty() ? nobody : hash);
  if (!matches || hash.empty()) {
    note_failure("user:" + user);
    note_failure("from:" + remote);
    return not_found("user or password is wrong");
  }
  NewSession session{.secret = to_hex(random_bytes(32)), .identity = {}};
  const std::int64_t now = clock_.wall_ms();
  session.identity = {.user = user,
                      .role = role,
                      .csrf_token = csrf_of(session.secret),
                      .expires_ms = now + kSessionMs,
                      .session = sha256_hex(session.secret)};
  const Result<> kept = store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(insert, database.prepare("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)"));
    return insert.bind_text(1, session.identity.session)
        .bind_text(2, user)
        .bind(3, now)
        .bind(4, now)
        .bind(5, session.identity.expires_ms)
        .run();
  });
  // A full disk is not what kFull means here.
  if (!kept.ok()) return unavailable(kept.error().text());
  Lock lock(mutex_);
  failures_.erase("user:" + user);
  return session;
}

Result<> Accounts::log_out(const std::string& session) {
  return store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(remove, database.prepare("DELETE FROM sessions WHERE token_sha256 = ?"));
    return remove.bind_text(1, session).run();
  });
}

void Accounts::note_use(const std::string& key, std::int64_t now) {
  Lock lock(mutex_);
  used_[key] = now;
}

std::int64_t Accounts::last_use(const std::string& key, std::int64_t stored) {
  Lock lock(mutex_);
  const auto found = used_.find(key);
  return found == used_.end() ? stored : std::max(stored, found->second);
}

std::optional<Identity> Accounts::identity_of_session(std::string_view secret) {
  if (secret.size() != 64) return std::nullopt;
  const std::string key = sha256_hex(secret);
  const std::int64_t now = clock_.wall_ms();
  std::optional<Identity> identity;
  const auto read = store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select,
               database.prepare("SELECT s.user, u.role, s.used_ms, s.expires_ms FROM sessions s "
                                "JOIN users u ON u.name = s.user WHERE s.token_sha256 = ?"));
    TRY_ASSIGN(has_row, select.bind_text(1, key).step());
    if (!has_row) return Ok{};
    const std::int64_t used = last_use("s" + key, select.integer(2));
    if (now >= select.integer(3) || now - used >= kSessionIdleMs) return Ok{};
    identity = Identity{.user = text_of(select, 0),
                        .role = text_of(select, 1),
                        .csrf_token = csrf_of(secret),
                        .expires_ms = select.integer(3),
                        .session = key};
    return Ok{};
  });
  if (read.ok() && identity) note_use("s" + key, now);
  return read.ok() ? identity : std::nullopt;
}

// --------------------------------------------------------------------------------------- tokens

std::optional<Identity> Accounts::identity_of_token(std::string_view token) {
  if (!token.starts_with(kTokenPrefix) || token.size() > 128) return std::nullopt;
  const std::string key = sha256_hex(token);
  const std::int64_t now = clock_.wall_ms();
  std::optional<Identity> identity;
  const auto read = store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select,
               database.prepare("SELECT t.user, u.role, t.expires_ms FROM tokens t "
                                "JOIN users u ON u.name = t.user WHERE t.token_sha256 = ?"));
    TRY_ASSIGN(has_row, select.bind_text(1, key).step());
    if (!has_row) return Ok{};
    const auto expires = optional_integer(select, 2);
    if (expires && now >= *expires) return Ok{};
    identity = Identity{.user = text_of(select, 0),
                        .role = text_of(select, 1),
                        .expires_ms = expires.value_or(now + kSessionMs)};
    return Ok{};
  });
  if (read.ok() && identity) note_use("t" + key, now);
  return read.ok() ? identity : std::nullopt;
}

Result<Accounts::CreatedToken> Accounts::create_token(const std::string& user,
                                                      const std::string& name,
                                                      std::optional<std::int64_t> expires_ms) {
  if (name.empty() || name.size() > 64) return invalid("a token's name has 1 to 64 bytes");
  const std::int64_t now = clock_.wall_ms();
  if (expires_ms && *expires_ms <= now) return invalid("`expires_ms` is in the past");
  CreatedToken created{.token = {.id = random_uuid().text(),
                                 .name = name,
                                 .user = user,
                                 .created_ms = now,
                                 .expires_ms = expires_ms},
                       .secret = std::string(kTokenPrefix) + to_hex(random_bytes(32))};
  TRY(store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(
        count,
        database.prepare(
            "SELECT (SELECT count(*) FROM tokens), (SELECT count(*) FROM users WHERE name = ?)"));
    TRY_ASSIGN(has_count, count.bind_text(1, user).step());
    if (has_count && count.integer(0) >= static_cast<std::int64_t>(kTokensMax)) {
      return full("there are too many tokens; remove some");
    }
    if (has_count && count.integer(1) == 0) return not_found("there is no user `" + user + "`");
    count.reset();
    TRY_ASSIGN(insert, database.prepare("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, NULL)"));
    const std::string key = sha256_hex(created.secret);
    insert.bind_text(1, created.token.id)
        .bind_text(2, name)
        .bind_text(3, user)
        .bind_text(4, key)
        .bind(5, now);
    return bind_optional(insert, 6, expires_ms).run();
  }));
  return created;
}

Result<std::vector<Token>> Accounts::tokens(const Identity& who) {
  std::vector<Token> tokens;
  TRY(store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(
                           "SELECT id, name, user, created_ms, expires_ms, used_ms, token_sha256 "
                           "FROM tokens WHERE ?1 OR user = ?2 ORDER BY created_ms DESC"));
    select.bind(1, std::int64_t{who.role == "administrator"}).bind_text(2, who.user);
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      Token token{text_of(select, 0), text_of(select, 1),          text_of(select, 2),
                  select.integer(3),  optional_integer(select, 4), optional_integer(select, 5)};
      const std::int64_t used = last_use("t" + text_of(select, 6), token.used_ms.value_or(0));
      if (used != 0) token.used_ms = used;
      tokens.push_back(std::move(token));
    }
  }));
  return tokens;
}

Result<std::string> Accounts::remove_token(const Identity& who, const std::string& id) {
  std::string name;
  const Result<> removed = store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(remove, database.prepare("DELETE FROM tokens WHERE id = ?1 AND (?2 OR user = ?3) "
                                        "RETURNING name"));
    remove.bind_text(1, id)
        .bind(2, std::int64_t{who.role == "administrator"})
        .bind_text(3, who.user);
    TRY_ASSIGN(is_there, remove.step());
    if (!is_there) return not_found("there is no such token");
    name = remove.text(0);
    return remove.run();
  });
  if (!removed.ok()) return removed.error();
  return name;
}

Result<> Accounts::flush() {
  std::map<std::string, std::int64_t> used;
  {
    Lock lock(mutex_);
    used.swap(used_);
  }
  const std::int64_t now = clock_.wall_ms();
  const Result<> written = store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(session, database.prepare("UPDATE sessions SET used_ms = ? WHERE token_sha256 = ?"));
    TRY_ASSIGN(token, database.prepare("UPDATE tokens SET used_ms = ? WHERE token_sha256 = ?"));
    for (const auto& [key, time] : used) {
      Statement& update = key[0] == 's' ? session : token;
      TRY(update.bind(1, time).bind_text(2, std::string_view(key).substr(1)).run());
    }
    TRY_ASSIGN(expired,
               database.prepare("DELETE FROM sessions WHERE expires_ms <= ?1 OR used_ms <= ?2"));
    return expired.bind(1, now).bind(2, now - kSessionIdleMs).run();
  });
  if (!written.ok()) {
    Lock lock(mutex_);
    used_.merge(used);
  }
  return written;
}

}  // namespace runnel::hub
