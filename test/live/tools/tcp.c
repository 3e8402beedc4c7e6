// SPDX-License-Identifier: Apache-2.0
// TCP traffic of a host at work, through its own stack: a bulk stream into a sink, or keep-alive HTTP requests in closed
// loops. Prints one line of JSON when it is done.
//
//   tcp sink PORT                                  reads and discards, one connection after the other, until killed
//   tcp bulk ADDRESS PORT SECONDS [BYTES]          sends as fast as it goes; until BYTES are sent if that is sooner
//   tcp load ADDRESS PORT SECONDS CONNECTIONS      GET / on each connection, the next as soon as the answer is there
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, CONNECTIONS_MAX = 1024, ANSWER_MAX = 64 * 1024 };
static char buffer[BUFFER];

static void fail(const char *what)
{
	fprintf(stderr, "tcp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int sink(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(server, (void *)&address, sizeof(address)) != 0 || listen(server, 16) != 0)
		fail("listen");
	fprintf(stderr, "ready\n");
	for (;;) {
		int fd = accept(server, NULL, NULL);
		if (fd < 0)
			continue;
		while (read(fd, buffer, BUFFER) > 0)
			;
		close(fd);
	}
}

static int dial(const char *host, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		errno = EINVAL, fail(host);
	if (connect(fd, (void *)&address, sizeof(address)) != 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static int bulk(const char *host, int port, double seconds, double most)
{
	int fd = dial(host, port);
	double start = now(), sent = 0;

	fprintf(stderr, "ready\n");
	while (now() - start < seconds && sent < most) {
		size_t room = most - sent < BUFFER ? (size_t)(most - sent) : BUFFER;
		ssize_t written = write(fd, buffer, room);
		if (written < 0)
			fail("write");
		sent += (double)written;
	}
	double end = now();
	/* The other side has read everything when it closes. */
	shutdown(fd, SHUT_WR);
	while (read(fd, buffer, BUFFER) > 0)
		;
	printf("{\"bytes\":%.0f,\"seconds\":%.6f}\n", sent, end - start);
	return 0;
}

struct connection {
	int fd;
	size_t held;
	char answer[ANSWER_MAX];
};

/* Bytes of a whole answer, 0 as long as it is not there. */
static size_t answer_bytes(struct connection *connection)
{
	connection->answer[connection->held] = 0;
	char *body = strstr(connection->answer, "\r\n\r\n"), *length = strcasestr(connection->answer, "content-length:");

	if (body == NULL || length == NULL)
		return 0;
	size_t whole = (size_t)(body + 4 - connection->answer) + strtoul(length + 15, NULL, 10);
	return connection->held >= whole ? whole : 0;
}

static int load(const char *host, int port, double seconds, int count)
{
	static struct connection connections[CONNECTIONS_MAX];
	static const char request[] = "GET / HTTP/1.1\r\nHost: server\r\n\r\n";
	int epoll = epoll_create1(0);
	double start, requests = 0;

	for (int i = 0; i < count; i++) {
		connections[i].fd = dial(host, port);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
		epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event);
	}
	fprintf(stderr, "ready\n");
	start = now();
	for (int i = 0; i < count; i++)
		if (write(connections[i].fd, request, sizeof(request) - 1) < 0)
			fail("write");
	while (now() - start < seconds) {
		struct epoll_event events[64];
		int n = epoll_wait(epoll, events, 64, 100);
		for (int i = 0; i < n; i++) {
			struct connection *connection = events[i].data.ptr;
			ssize_t got = read(connection->fd, connection->answer + connection->held, ANSWER_MAX - 1 - connection->held);
			if (got <= 0)
				fail("read");
			connection->held += (size_t)got;
			if (answer_bytes(connection) == 0)
				continue;
			connection->held = 0;
			requests++;
			if (write(connection->fd, request, sizeof(request) - 1) < 0)
				fail("write");
		}
	}
	printf("{\"requests\":%.0f,\"seconds\":%.6f}\n", requests, now() - start);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sink") == 0)
		return sink(atoi(argv[2]));
	if (argc >= 5 && strcmp(argv[1], "bulk") == 0)
		return bulk(argv[2], atoi(argv[3]), atof(argv[4]), argc > 5 ? atof(argv[5]) : 1e18);
	if (argc == 6 && strcmp(argv[1], "load") == 0 && atoi(argv[5]) > 0 && atoi(argv[5]) <= CONNECTIONS_MAX)
		return load(argv[2], atoi(argv[3]), atof(argv[4]), atoi(argv[5]));
	fprintf(stderr, "usage: tcp sink PORT | bulk ADDRESS PORT SECONDS [BYTES] | load ADDRESS PORT SECONDS CONNECTIONS\n");
	return 2;
}
