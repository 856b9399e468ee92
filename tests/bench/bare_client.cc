// The bare libraries in one program: a Paho client that subscribes and an idempotent librdkafka
// producer, connected and idle. What `bench idle` compares the agent with.

#include <librdkafka/rdkafka.h>
#include <mqtt/async_client.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s BROKER_URI KAFKA\n", argv[0]);
    return 2;
  }
  mqtt::async_client client(argv[1], "bare");
  mqtt::connect_options options;
  options.set_keep_alive_interval(60);
  client.connect(options)->wait();
  client.subscribe("bare/telemetry", 1)->wait();
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char error[512];
  rd_kafka_conf_set(conf, "bootstrap.servers", argv[2], error, sizeof error);
  rd_kafka_conf_set(conf, "enable.idempotence", "true", error, sizeof error);
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (producer == nullptr) {
    std::fprintf(stderr, "%s\n", error);
    return 1;
  }
  std::puts("connected");
  std::fflush(stdout);
  while (true) pause();
}
