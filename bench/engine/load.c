/*
 * The load of the bench: many Socket.IO clients in one thread and one epoll.
 *
 *   load PORT SOURCE PER_ADDRESS
 *
 * Clients connect to 127.0.0.1:PORT from SOURCE and the addresses after it, PER_ADDRESS
 * connections from each, so that neither ports nor a server's bounds per address run out.
 * It reads one command a line from standard input, carries out one at a time, and answers
 * each with one line of JSON. The numbers in it are totals since the start.
 *
 *   open N PARALLEL [1]  connect N more clients over WebSocket; 1: as the last member;
 *                        2: with the tokens in turn, as clients that can be recovered
 *   token TOKEN          one more token
 *   poll N PARALLEL      connect N more clients over long-polling
 *   until TOTAL          wait until TOTAL events have come
 *   echo TOTAL EACH      wait until TOTAL more acks have come, with EACH under way per WebSocket
 *   post TOTAL CONNECTIONS ROOMS
 *                        wait until TOTAL more POST /rooms/{n} have been answered
 *   member TOKEN         one more connection that opens cases, of a member of the club
 *   cases ID MS RATE     open the case for so long: RATE times a second, or (0) as fast as every
 *                        member gets its answer
 *   topup ID COUNT MS RATE
 *                        an admin's connection gives each of COUNT members from ID on a hundredth
 *                        in turn, RATE times a second
 *   arrivals PATH        write when each balance:updated came: member, hundredths, Unix time in ns
 *   cut                  break the connection of every WebSocket
 *   back MS EACH         come back with all of them, spread over so long; wait until the last is
 *                        in. What each was told before that counts as received; "wrong" counts
 *                        those that were not recovered, or not told EACH events in their order
 *   close                leave with every WebSocket, as a closed tab does
 *   reset                forget the latencies
 *   status
 *
 * Engine.IO 4 and Socket.IO 5; RFC 6455 for the frames. Latencies are taken from the "at" of
 * an event or ack, which is CLOCK_MONOTONIC in nanoseconds or a time of day as in
 * "2026-11-21T09:30:00.125Z". It ends with its standard input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum kind { WEBSOCKET, POLLER, POSTER, MEMBER };
enum state { UPGRADING, GREETING, JOINING, CONNECTED, LEAVING, CUT };

/* What a client keeps to come back with. */
struct memory {
    char pid[200], offset[40];
    uint64_t position;
    uint32_t told;
    bool wrong;
};

struct connection {
    int fd;
    uint8_t kind, state;
    bool posting;
    uint32_t kept, room; /* bytes of an unfinished frame or response; their buffer's size */
    char *rest;
    char *sid; /* of a poller; the token of a member */
    struct memory *memory;
    uint64_t started;
};

struct list {
    struct connection **items;
    size_t count, room;
};

static struct list websockets, pollers, posters, members;
static int poller_fd;
static struct sockaddr_in server;
static uint32_t source, per_address, from_source;

static struct {
    uint64_t connected, received, responses, acks, posts, pings, lost, refused, gone, missed, back,
        wrong;
} total;

enum command { NOTHING, OPENING, UNTIL, ECHOING, POSTING, CASES, CLOSING, RETURNING };
static enum command command;
static uint64_t target, command_started;
static uint64_t to_start, under_way, parallel, to_send;
static enum kind opening_kind;
static enum { GUEST, LAST_MEMBER, TOKENS } opening_as;
static char **tokens;
static size_t token_count;
static uint32_t rooms;
static uint64_t case_id, duration_ns, rate, sent;
/* Of those who are topped up; none: cases are opened. */
static uint64_t first_id, ids;
static size_t busy;
static uint64_t each_missed, dialled;

static struct {
    struct arrival {
        uint64_t member, minor, at;
    } *items;
    size_t count, room;
} arrivals;
static char failure[200];

/* 16 steps for each power of two: an error below 6 %, in 1 kB. */
static uint64_t histogram[1024], samples, longest;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void sample(uint64_t ns) {
    unsigned power = ns < 32 ? 0 : 59 - (unsigned)__builtin_clzll(ns);
    histogram[power * 16 + (ns >> power)]++;
    samples++;
    if (ns > longest)
        longest = ns;
}

static double percentile_us(double part) {
    uint64_t rank = (uint64_t)(part * (double)samples), seen = 0;
    for (unsigned i = 0; i < 1024; i++) {
        seen += histogram[i];
        if (seen > rank) {
            unsigned power = i < 32 ? 0 : i / 16 - 1;
            return (double)((uint64_t)(i - power * 16) << power) / 1000;
        }
    }
    return 0;
}

static void answer(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"connected\":%lu,\"received\":%lu,\"responses\":%lu,\"acks\":%lu,\"posts\":%lu,"
           "\"pings\":%lu,\"lost\":%lu,\"refused\":%lu,\"missed\":%lu,\"wrong\":%lu,\"seconds\":%.6f,\"cpu\":%.6f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"longest_us\":%.1f,\"samples\":%lu,\"failure\":\"%s\"}\n",
           total.connected, total.received, total.responses, total.acks, total.posts, total.pings,
           total.lost, total.refused, total.missed, total.wrong, (double)(now_ns() - command_started) / 1e9,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           percentile_us(0.5), percentile_us(0.99), (double)longest / 1000, samples, failure);
    fflush(stdout);
    command = NOTHING;
}

/* What a server said instead of what was expected: the first line of it, fit for JSON. */
static void note_failure(const char *text, size_t length) {
    if (failure[0])
        return;
    size_t n = 0;
    for (; n < length && n < sizeof failure - 1 && text[n] >= ' '; n++)
        failure[n] = text[n] == '"' || text[n] == '\\' ? '\'' : text[n];
    failure[n] = 0;
}

static void append(struct list *list, struct connection *c) {
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 1024;
        list->items = realloc(list->items, list->room * sizeof *list->items);
        if (!list->items)
            die("memory");
    }
    list->items[list->count++] = c;
}

static void send_all(struct connection *c, const void *data, size_t length) {
    /* A client has a few hundred bytes under way, which a socket's buffer always takes. */
    ssize_t sent = send(c->fd, data, length, MSG_NOSIGNAL);
    if (sent != (ssize_t)length && errno != EPIPE && errno != ECONNRESET)
        die("send");
}

static void send_frame(struct connection *c, unsigned opcode, const char *text, size_t length) {
    /* Not a mask of zeroes: some servers skip the unmasking then. */
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint8_t frame[1024];
    size_t head = 2;
    frame[0] = (uint8_t)(0x80 | opcode);
    if (length < 126) {
        frame[1] = (uint8_t)(0x80 | length);
    } else {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(length >> 8);
        frame[3] = (uint8_t)length;
        head = 4;
    }
    memcpy(frame + head, mask, 4);
    head += 4;
    for (size_t i = 0; i < length; i++)
        frame[head + i] = (uint8_t)text[i] ^ mask[i & 3];
    send_all(c, frame, head + length);
}

static void send_request(struct connection *c, const char *method, const char *path,
                         const char *more, const char *body) {
    char request[1024];
    int length = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", method,
                          path, more);
    if (body)
        length += snprintf(request + length, sizeof request - (size_t)length,
                           "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    else
        length += snprintf(request + length, sizeof request - (size_t)length, "\r\n");
    send_all(c, request, (size_t)length);
}

static void dial(struct connection *c) {
    c->state = c->kind == WEBSOCKET ? UPGRADING : GREETING;
    c->started = now_ns();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    if (from_source == per_address) {
        source++;
        from_source = 0;
    }
    from_source++;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
    int on = 1;
    /* Let connect() choose the port: it then counts per pair of addresses. */
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(c->fd, (struct sockaddr *)&here, sizeof here))
        die("bind");
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server))
        die("connect");
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller_fd, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
    if (c->kind == WEBSOCKET)
        send_request(c, "GET", "/socket.io/?EIO=4&transport=websocket",
                     "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                     NULL);
}

static struct connection *start(enum kind kind) {
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        die("memory");
    c->kind = (uint8_t)kind;
    dial(c);
    return c;
}

static void start_clients(void) {
    while (to_start && under_way < parallel) {
        struct connection *c = start(opening_kind);
        to_start--;
        under_way++;
        if (opening_kind == WEBSOCKET) {
            if (opening_as == LAST_MEMBER) {
                c->sid = members.items[members.count - 1]->sid;
            } else if (opening_as == TOKENS) {
                c->sid = tokens[websockets.count % token_count];
                c->memory = calloc(1, sizeof *c->memory);
                if (!c->memory)
                    die("memory");
            }
            append(&websockets, c);
        } else {
            append(&pollers, c);
            send_request(c, "GET", "/socket.io/?EIO=4&transport=polling", "", NULL);
        }
    }
}

static void client_connected(struct connection *c) {
    c->state = CONNECTED;
    total.connected++;
    under_way--;
    sample(now_ns() - c->started);
    start_clients();
}

static void end(struct connection *c) {
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    free(c->rest);
    c->rest = NULL;
    c->kept = 0;
    total.gone++;
    if (c->state == LEAVING)
        return;
    total.lost++;
    if (c->state != CONNECTED && c->kind < POSTER) {
        total.refused++;
        under_way--;
        start_clients();
    }
}

/* Of a time of day, in UTC. */
static void take_time(const char *text) {
    unsigned hours, minutes, seconds, ms;
    if (sscanf(text, "%*11c%2u:%2u:%2u.%3u", &hours, &minutes, &seconds, &ms) != 4)
        return;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t day_ns = 86400ll * 1000000000;
    int64_t now = t.tv_sec % 86400 * 1000000000ll + t.tv_nsec;
    int64_t then = ((hours * 60ll + minutes) * 60 + seconds) * 1000000000 + ms * 1000000ll;
    sample((uint64_t)((now - then + day_ns) % day_ns));
}

static void take_latency(const char *text, size_t length) {
    const char *at = memmem(text, length, "\"at\":", 5);
    if (!at)
        return;
    at += 5;
    if (*at == '"') {
        take_time(at + 1);
        return;
    }
    uint64_t then = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        then = then * 10 + (uint64_t)(*at - '0');
    if (then)
        sample(now_ns() - then);
}

static void send_echo(struct connection *c) {
    char text[160];
    static unsigned id;
    int length = snprintf(text, sizeof text,
                          "42%u[\"echo\",{\"at\":%lu,\"text\":\"a chat line of an ordinary length\"}]",
                          id++ % 1000, now_ns());
    to_send--;
    send_frame(c, 1, text, (size_t)length);
}

static void send_post(struct connection *c) {
    char path[64], body[128];
    snprintf(path, sizeof path, "/rooms/%lu", to_send % rooms);
    snprintf(body, sizeof body, "{\"at\":0,\"text\":\"a chat line of an ordinary length\"}");
    c->started = now_ns();
    to_send--;
    send_request(c, "POST", path, "Content-Type: application/json\r\n", body);
}

static void send_opening(struct connection *c) {
    const char *path = ids ? "/api/admin/balance/add" : "/api/cases/open";
    char more[512], body[64];
    snprintf(more, sizeof more, "Authorization: Bearer %s\r\nContent-Type: application/json\r\n",
             c->sid);
    if (ids)
        snprintf(body, sizeof body, "{\"userId\":%lu,\"amount\":0.01}", first_id + sent % ids);
    else
        snprintf(body, sizeof body, "{\"caseId\":%lu,\"clientSeed\":\"bench\"}", case_id);
    c->posting = true;
    busy++;
    send_request(c, "POST", path, more, body);
}

static bool time_is_up(void) {
    return now_ns() - command_started >= duration_ns;
}

/* Openings on a schedule; those that find no member idle are missed. */
static void open_what_is_due(void) {
    static size_t next;
    uint64_t elapsed = now_ns() - command_started;
    if (elapsed > duration_ns)
        elapsed = duration_ns;
    for (; sent < elapsed * rate / 1000000000; sent++) {
        size_t tried = 0;
        while (tried < members.count && members.items[next]->posting) {
            next = (next + 1) % members.count;
            tried++;
        }
        if (tried == members.count) {
            total.missed++;
            continue;
        }
        /* In turn, or the server would close the connections of the others as idle. */
        send_opening(members.items[next]);
        next = (next + 1) % members.count;
    }
}

/* Clients that were cut come back, on a schedule. */
static void come_back(void) {
    uint64_t elapsed = now_ns() - command_started;
    for (; dialled < websockets.count; dialled++) {
        if (elapsed < duration_ns * dialled / websockets.count)
            return;
        dial(websockets.items[dialled]);
    }
}

static void say_connect(struct connection *c) {
    char text[900] = "40";
    if (c->memory && c->memory->pid[0])
        snprintf(text, sizeof text, "40{\"token\":\"%s\",\"pid\":\"%s\"%s%s%s}", c->sid,
                 c->memory->pid, c->memory->offset[0] ? ",\"offset\":\"" : "", c->memory->offset,
                 c->memory->offset[0] ? "\"" : "");
    else if (c->sid)
        snprintf(text, sizeof text, "40{\"token\":\"%s\"}", c->sid);
    send_frame(c, 1, text, strlen(text));
}

/* As socket.io-client: the last argument, if it is a string. */
static void remember_offset(struct memory *memory, const char *text, size_t length) {
    if (length < 4 || text[length - 1] != ']' || text[length - 2] != '"')
        return;
    const char *end = text + length - 2, *begin = memrchr(text, '"', length - 2);
    const char *point = begin ? memchr(begin, '.', (size_t)(end - begin)) : NULL;
    if (!point || end - begin > (ptrdiff_t)sizeof memory->offset)
        return;
    memcpy(memory->offset, begin + 1, (size_t)(end - begin - 1));
    memory->offset[end - begin - 1] = 0;
    uint64_t position = strtoull(point + 1, NULL, 10);
    if (position <= memory->position)
        memory->wrong = true;
    memory->position = position;
    memory->told++;
}

static void joined(struct connection *c, const char *text, size_t length) {
    struct memory *memory = c->memory;
    const char *pid = memory ? memmem(text, length, "\"pid\":\"", 7) : NULL;
    size_t size = pid ? strcspn(pid + 7, "\"") : 0;
    bool same = pid && size == strlen(memory->pid) && !memcmp(memory->pid, pid + 7, size);
    if (pid && size < sizeof memory->pid) {
        memcpy(memory->pid, pid + 7, size);
        memory->pid[size] = 0;
    }
    if (command != RETURNING) {
        client_connected(c);
        return;
    }
    c->state = CONNECTED;
    sample(now_ns() - c->started);
    total.back++;
    if (!same || memory->told != each_missed || memory->wrong) {
        total.wrong++;
        note_failure(text, length);
    }
}

static void note_arrival(const char *text, size_t length) {
    static const char name[] = "42[\"balance:updated:";
    if (length < sizeof name || memcmp(text, name, sizeof name - 1))
        return;
    const char *balance = memmem(text, length, "\"balance\":", 10);
    if (!balance)
        return;
    if (arrivals.count == arrivals.room) {
        arrivals.room = arrivals.room ? arrivals.room * 2 : 1024;
        arrivals.items = realloc(arrivals.items, arrivals.room * sizeof *arrivals.items);
        if (!arrivals.items)
            die("memory");
    }
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    arrivals.items[arrivals.count++] = (struct arrival){
        .member = strtoull(text + sizeof name - 1, NULL, 10),
        .minor = (uint64_t)(strtod(balance + 10, NULL) * 100 + 0.5),
        .at = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec,
    };
}

static void write_arrivals(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    for (size_t i = 0; i < arrivals.count; i++) {
        const struct arrival *each = arrivals.items + i;
        fprintf(file, "%lu %lu %lu\n", each->member, each->minor, each->at);
    }
    fclose(file);
    arrivals.count = 0;
}

/* One Engine.IO packet. The byte after it may be read (it is a terminator or another frame's). */
static void take_packet(struct connection *c, const char *text, size_t length) {
    if (length == 0)
        return;
    if (text[0] == '0' && c->state == GREETING) {
        c->state = JOINING;
        if (c->kind == WEBSOCKET) {
            say_connect(c);
            return;
        }
        const char *sid = memmem(text, length, "\"sid\":\"", 7);
        const char *stop = sid ? memchr(sid + 7, '"', length - (size_t)(sid + 7 - text)) : NULL;
        if (stop)
            c->sid = strndup(sid + 7, (size_t)(stop - sid - 7));
        return;
    }
    if (text[0] == '2') {
        total.pings++;
        if (c->kind == WEBSOCKET)
            send_frame(c, 1, "3", 1);
        else
            c->posting = true;
        return;
    }
    if (text[0] != '4' || length < 2)
        return;
    if (text[1] == '2') {
        total.received++;
        take_latency(text, length);
        note_arrival(text, length);
        if (c->memory)
            remember_offset(c->memory, text, length);
    } else if (text[1] == '3') {
        total.acks++;
        take_latency(text, length);
        if (command == ECHOING && to_send)
            send_echo(c);
    } else if (text[1] == '0' && c->state == JOINING) {
        joined(c, text, length);
    } else {
        note_failure(text, length);
    }
}

/* Bytes of `data` that a whole frame takes, or 0. */
static size_t take_frame(struct connection *c, char *data, size_t length) {
    if (length < 2)
        return 0;
    const uint8_t *head = (const uint8_t *)data;
    size_t size = head[1] & 0x7f, start = 2;
    if (size == 126) {
        if (length < 4)
            return 0;
        size = (size_t)head[2] << 8 | head[3];
        start = 4;
    } else if (size == 127) {
        errno = EMSGSIZE;
        die("a frame of 64 KiB");
    }
    if (length < start + size)
        return 0;
    switch (head[0] & 0x0f) {
    case 1:
        take_packet(c, data + start, size);
        break;
    case 8:
        if (c->state != LEAVING) {
            note_failure(data + start + 2, size > 2 ? size - 2 : 0);
            send_frame(c, 8, "\x03\xe8", 2);
        }
        break;
    case 9:
        send_frame(c, 10, data + start, size);
        break;
    }
    return start + size;
}

static void next_request(struct connection *c) {
    char path[160];
    snprintf(path, sizeof path, "/socket.io/?EIO=4&transport=polling&sid=%s", c->sid);
    if (c->posting)
        send_request(c, "POST", path, "Content-Type: text/plain;charset=UTF-8\r\n",
                     c->state == JOINING ? "40" : "3");
    else
        send_request(c, "GET", path, "", NULL);
}

/* Bytes of `data` that a whole response takes, or 0. */
static size_t take_response(struct connection *c, char *data, size_t length) {
    char *stop = memmem(data, length, "\r\n\r\n", 4);
    if (!stop)
        return 0;
    if (c->kind == WEBSOCKET) {
        if (length > 12 && !memcmp(data, "HTTP/1.1 101", 12)) {
            c->state = GREETING;
            return (size_t)(stop + 4 - data);
        }
        note_failure(data, length);
        return length;
    }
    size_t body = (size_t)(stop + 4 - data), size = 0;
    *stop = 0;
    const char *field = strcasestr(data, "\r\ncontent-length:");
    *stop = '\r';
    if (!field) {
        errno = EPROTO;
        die("a response without Content-Length");
    }
    size = strtoul(field + 17, NULL, 10);
    if (length < body + size)
        return 0;
    if (length < 12 || memcmp(data, "HTTP/1.1 200", 12)) {
        note_failure(data, length);
        total.refused++;
    }
    if (c->kind == MEMBER) {
        total.posts++;
        c->posting = false;
        busy--;
        if (command == CASES && !rate && !time_is_up())
            send_opening(c);
        return body + size;
    }
    if (c->kind == POSTER) {
        total.posts++;
        sample(now_ns() - c->started);
        if (command == POSTING && to_send)
            send_post(c);
        return body + size;
    }
    if (c->posting) {
        c->posting = false;
    } else {
        bool greeting = c->state == GREETING;
        total.responses++;
        char *packet = data + body, *last = packet + size;
        while (packet < last) {
            char *next = memchr(packet, 0x1e, (size_t)(last - packet));
            size_t one = (size_t)((next ? next : last) - packet);
            take_packet(c, packet, one);
            packet += one + 1;
        }
        if (greeting)
            c->posting = true;
    }
    if (c->sid)
        next_request(c);
    return body + size;
}

static void readable(struct connection *c) {
    static char buffer[1 << 18];
    if (c->kept)
        memcpy(buffer, c->rest, c->kept);
    ssize_t got = recv(c->fd, buffer + c->kept, sizeof buffer - c->kept - 1, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        end(c);
        return;
    }
    size_t length = c->kept + (size_t)got, done = 0;
    buffer[length] = 0;
    while (done < length) {
        bool frames = c->kind == WEBSOCKET && c->state != UPGRADING;
        size_t one = frames ? take_frame(c, buffer + done, length - done)
                            : take_response(c, buffer + done, length - done);
        if (!one)
            break;
        done += one;
    }
    c->kept = (uint32_t)(length - done);
    if (c->kept > c->room) {
        c->room = c->kept;
        c->rest = realloc(c->rest, c->room);
        if (!c->rest)
            die("memory");
    }
    if (c->kept)
        memcpy(c->rest, buffer + done, c->kept);
}

static void carry_out(const char *line) {
    unsigned long first = 0, second = 0, third = 0, fourth = 0;
    char word[16] = "";
    if (command != NOTHING ||
        sscanf(line, "%15s %lu %lu %lu %lu", word, &first, &second, &third, &fourth) < 1) {
        errno = EINVAL;
        die(line);
    }
    command_started = now_ns();
    if (!strcmp(word, "open") || !strcmp(word, "poll")) {
        command = OPENING;
        opening_kind = word[0] == 'o' ? WEBSOCKET : POLLER;
        to_start = first;
        parallel = second;
        opening_as = third == 1 && members.count ? LAST_MEMBER
                     : third == 2 && token_count ? TOKENS
                                                 : GUEST;
        start_clients();
    } else if (!strcmp(word, "until")) {
        command = UNTIL;
        target = first;
    } else if (!strcmp(word, "echo")) {
        command = ECHOING;
        target = total.acks + first;
        to_send = first;
        for (unsigned long each = 0; each < second; each++)
            for (size_t i = 0; i < websockets.count && to_send; i++)
                send_echo(websockets.items[i]);
    } else if (!strcmp(word, "post")) {
        command = POSTING;
        target = total.posts + first;
        to_send = first;
        rooms = (uint32_t)third;
        while (posters.count < second)
            append(&posters, start(POSTER));
        for (size_t i = 0; i < posters.count && to_send; i++)
            send_post(posters.items[i]);
    } else if (!strcmp(word, "member")) {
        struct connection *c = start(MEMBER);
        c->sid = strdup(line + 7);
        append(&members, c);
        answer();
    } else if (!strcmp(word, "token")) {
        tokens = realloc(tokens, (token_count + 1) * sizeof *tokens);
        if (!tokens)
            die("memory");
        tokens[token_count++] = strdup(line + 6);
        answer();
    } else if (!strcmp(word, "topup")) {
        command = CASES;
        first_id = first;
        ids = second;
        duration_ns = third * 1000000;
        rate = fourth;
        sent = 0;
    } else if (!strcmp(word, "arrivals")) {
        write_arrivals(line + 9);
        answer();
    } else if (!strcmp(word, "cut")) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        for (size_t i = 0; i < websockets.count; i++) {
            struct connection *c = websockets.items[i];
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            close(c->fd);
            c->fd = -1;
            c->kept = 0;
            c->state = CUT;
            c->memory->told = 0;
        }
        answer();
    } else if (!strcmp(word, "back")) {
        command = RETURNING;
        duration_ns = first * 1000000;
        each_missed = second;
        dialled = 0;
        target = total.back + websockets.count;
    } else if (!strcmp(word, "cases")) {
        command = CASES;
        case_id = first;
        ids = 0;
        duration_ns = second * 1000000;
        rate = third;
        sent = 0;
        for (size_t i = 0; i < members.count && !rate; i++)
            send_opening(members.items[i]);
    } else if (!strcmp(word, "close")) {
        command = CLOSING;
        target = total.gone;
        for (size_t i = 0; i < websockets.count; i++) {
            struct connection *c = websockets.items[i];
            if (c->fd < 0)
                continue;
            target++;
            c->state = LEAVING;
            send_frame(c, 8, "\x03\xe9", 2);
        }
    } else if (!strcmp(word, "reset")) {
        memset(histogram, 0, sizeof histogram);
        samples = longest = 0;
        answer();
    } else {
        answer();
    }
}

/*
 * While a command is carried out, look for events and nap in between. One who waits in
 * epoll_wait() is woken by each message: that costs the sender more than the message on a virtual
 * machine, is the same for every server, and so hides what they differ in. Clients of flesh are
 * on other machines.
 */
static int next_events(struct epoll_event *events, int room) {
    /* The club answers in milliseconds, and its server shares the cores with its clients. */
    struct timespec nap = {0, command == CASES ? 250000 : 50000};
    int wait_ms = command == NOTHING ? -1 : command == RETURNING ? 1 : 0;
    int count = epoll_wait(poller_fd, events, room, wait_ms);
    if (count == 0 && command != RETURNING)
        nanosleep(&nap, NULL);
    return count;
}

static bool finished(void) {
    switch (command) {
    case OPENING:
        return !to_start && !under_way;
    case UNTIL:
        return total.received >= target;
    case ECHOING:
        return total.acks >= target;
    case POSTING:
        return total.posts >= target;
    case CASES:
        return !busy && time_is_up();
    case RETURNING:
        return total.back >= target;
    case CLOSING:
        return total.gone >= target;
    default:
        return false;
    }
}

static void forget_closed(void) {
    for (size_t i = 0; i < websockets.count; i++)
        free(websockets.items[i]);
    websockets.count = 0;
}

static void read_commands(void) {
    static char line[512];
    static size_t length;
    ssize_t got = read(0, line + length, sizeof line - length - 1);
    if (got <= 0)
        exit(0);
    length += (size_t)got;
    line[length] = 0;
    char *stop;
    while ((stop = strchr(line, '\n'))) {
        *stop = 0;
        carry_out(line);
        length -= (size_t)(stop + 1 - line);
        memmove(line, stop + 1, length + 1);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: load PORT SOURCE PER_ADDRESS\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    source = ntohl(inet_addr(argv[2]));
    per_address = (uint32_t)atoi(argv[3]);
    if ((source >> 24) != 127 || !per_address) {
        fprintf(stderr, "load: SOURCE is a loopback address, PER_ADDRESS at least 1\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    poller_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL}, events[512];
    epoll_ctl(poller_fd, EPOLL_CTL_ADD, 0, &input);
    for (;;) {
        int count = next_events(events, 512);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                readable(events[i].data.ptr);
            else
                read_commands();
        }
        if (command == CASES && rate)
            open_what_is_due();
        if (command == RETURNING)
            come_back();
        if (command != NOTHING && finished()) {
            bool closed = command == CLOSING;
            answer();
            if (closed)
                forget_closed();
        }
    }
}
