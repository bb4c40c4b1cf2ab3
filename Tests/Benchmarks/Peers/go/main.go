// A peer of the service for the benchmark: the same reads from the same database, in Go with net/http and go-sqlite3.
//
// It opens the database read-only, remembers keys by their hash once it has found them, and answers GET /v2/personas/{id} and
// GET /v2/personas?limit=N&cursor=C as the service does, byte for byte but for request ids. It has no log, no limits, no metrics.
//
//	peer DATABASE PORT
package main

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

const (
	columns = `pikzonality.id, pikzonality.account_id, pikzonality.mode, pikzonality.name, pikzonality.status, pikzonality.progress,
		pikzonality.reference_tokens, pikzonality.portrait_token, pikzonality.special_instructions, pikzonality.error_code,
		pikzonality.error_message, pikzonality.created_at, pikzonality.updated_at`
	// Whatever else may be wrong with a key is no part of what is measured.
	keyQuery = `SELECT api_key.account_id FROM api_key JOIN account ON account.id = api_key.account_id
		WHERE api_key.secret_hash = ? AND api_key.state = 'active' AND account.is_suspended = 0 AND account.has_api_access = 1`
	itemQuery = `SELECT ` + columns + ` FROM pikzonality WHERE id = ?`
	pageQuery = `SELECT ` + columns + ` FROM (SELECT id AS found_id, created_at AS found_key FROM pikzonality
		WHERE account_id = ? AND mode = 'persona' AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?)
		CROSS JOIN pikzonality ON pikzonality.id = found_id ORDER BY found_key DESC, found_id DESC`

	limitDefault  = 20
	limitMax      = 100
	cursorVersion = 1
	// What a cursor is bound to: mode, status, order and search text of its list.
	cursorList = "persona\n\n-created_at\n"
)

// One row of the table.
type item struct {
	id, accountID, referenceTokens, portraitToken []byte
	mode, name, status                            string
	progress, createdAt, updatedAt                int64
	instructions, errorCode, errorMessage         sql.NullString
}

type server struct {
	key, item, page *sql.Stmt
	// Account ids by the hash of a key.
	accounts sync.Map
	// What stands in front of the tokens of images.
	mediaURL string
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: peer DATABASE PORT")
	}
	database, err := sql.Open("sqlite3", "file:"+os.Args[1]+"?mode=ro&_mutex=no&_cache_size=-8000")
	if err != nil {
		log.Fatal(err)
	}
	// As many as can run at once, and as many more whose callers were interrupted; all of them stay open.
	connections := 2 * runtime.GOMAXPROCS(0)
	database.SetMaxOpenConns(connections)
	database.SetMaxIdleConns(connections)
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	s := &server{
		key: prepared(database, keyQuery), item: prepared(database, itemQuery), page: prepared(database, pageQuery),
		mediaURL: address + "/media/",
	}
	fmt.Fprintln(os.Stderr, "listening at", address)
	log.Fatal(http.Serve(listener, s))
}

func prepared(database *sql.DB, query string) *sql.Stmt {
	statement, err := database.Prepare(query)
	if err != nil {
		log.Fatal(err)
	}
	return statement
}

func (s *server) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	account, known := s.account(writer, request)
	if !known {
		return
	}
	const list = "/v2/personas"
	path := request.URL.Path
	switch {
	case request.Method != http.MethodGet:
		fail(writer, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Method not allowed")
	case path == list:
		s.list(writer, request, account)
	case strings.HasPrefix(path, list+"/"):
		s.show(writer, path[len(list)+1:], account)
	default:
		fail(writer, http.StatusNotFound, "NOT_FOUND", "Not found")
	}
}

// The account of the request's key. Answers the request where there is none.
func (s *server) account(writer http.ResponseWriter, request *http.Request) ([]byte, bool) {
	secret := request.Header.Get("X-Api-Key")
	if secret == "" {
		fail(writer, http.StatusUnauthorized, "MISSING_API_KEY", "An API key is required in the header X-Api-Key")
		return nil, false
	}
	if !strings.HasPrefix(secret, "pkz_") {
		fail(writer, http.StatusUnauthorized, "INVALID_API_KEY_FORMAT", "The API key must start with pkz_")
		return nil, false
	}
	hash := sha256.Sum256([]byte(secret))
	if account, found := s.accounts.Load(hash); found {
		return account.([]byte), true
	}
	var account []byte
	switch err := s.key.QueryRow(hash[:]).Scan(&account); err {
	case nil:
		s.accounts.Store(hash, account)
		return account, true
	case sql.ErrNoRows:
		fail(writer, http.StatusUnauthorized, "INVALID_API_KEY", "The API key is not valid")
	default:
		failInternally(writer, err)
	}
	return nil, false
}

func (s *server) show(writer http.ResponseWriter, text string, account []byte) {
	id, valid := identifier(text)
	if !valid {
		fail(writer, http.StatusBadRequest, "INVALID_PERSONA", "The persona id is not a UUID")
		return
	}
	var found item
	err := s.item.QueryRow(id[:]).Scan(found.fields()...)
	if err != nil && err != sql.ErrNoRows {
		failInternally(writer, err)
		return
	}
	if err == sql.ErrNoRows || !bytes.Equal(found.accountID, account) || found.mode != "persona" {
		fail(writer, http.StatusNotFound, "NOT_FOUND", "Not found")
		return
	}
	answer(writer, http.StatusOK, s.appendItem(make([]byte, 0, 1_024), &found))
}

func (s *server) list(writer http.ResponseWriter, request *http.Request, account []byte) {
	query := request.URL.Query()
	limit := limitDefault
	if text := query.Get("limit"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 {
			fail(writer, http.StatusBadRequest, "VALIDATION_ERROR", "The request is invalid: limit must be a whole number of at least 1")
			return
		}
		limit = number
		if limit > limitMax {
			limit = limitMax
		}
	}
	// Without a cursor from behind the newest.
	createdAt, id := int64(1)<<62, make([]byte, 16)
	if text := query.Get("cursor"); text != "" {
		var valid bool
		if createdAt, id, valid = position(text); !valid {
			fail(writer, http.StatusBadRequest, "VALIDATION_ERROR", "The request is invalid: cursor does not belong to this list")
			return
		}
	}
	rows, err := s.page.Query(account, createdAt, id, limit+1)
	if err != nil {
		failInternally(writer, err)
		return
	}
	defer rows.Close()
	out := append(make([]byte, 0, 1_024*limit), `{"data":[`...)
	count := 0
	var found, last item
	for rows.Next() {
		if count++; count > limit {
			break
		}
		if err := rows.Scan(found.fields()...); err != nil {
			failInternally(writer, err)
			return
		}
		if count > 1 {
			out = append(out, ',')
		}
		out = s.appendItem(out, &found)
		last = found
	}
	if err := rows.Err(); err != nil {
		failInternally(writer, err)
		return
	}
	if count > limit {
		out = append(out, `],"has_more":true,"next_cursor":"`...)
		out = append(out, cursor(last.createdAt, last.id)...)
		out = append(out, `"}`...)
	} else {
		out = append(out, `],"has_more":false,"next_cursor":null}`...)
	}
	answer(writer, http.StatusOK, out)
}

// Where the columns go, in their order.
func (i *item) fields() []any {
	return []any{
		&i.id, &i.accountID, &i.mode, &i.name, &i.status, &i.progress, &i.referenceTokens, &i.portraitToken, &i.instructions, &i.errorCode,
		&i.errorMessage, &i.createdAt, &i.updatedAt,
	}
}

func (s *server) appendItem(out []byte, i *item) []byte {
	out = append(out, `{"id":"`...)
	out = appendIdentifier(out, i.id)
	out = append(out, `","mode":"`...)
	out = append(out, i.mode...)
	out = append(out, `","name":`...)
	out = appendText(out, i.name)
	out = append(out, `,"status":"`...)
	out = append(out, i.status...)
	out = append(out, `","progress":`...)
	out = strconv.AppendInt(out, i.progress, 10)
	if i.status == "completed" {
		out = append(out, `,"portrait_url":`...)
		out = s.appendURL(out, i.portraitToken)
		out = append(out, `,"reference":[`...)
		for start := 0; start+16 <= len(i.referenceTokens); start += 16 {
			if start > 0 {
				out = append(out, ',')
			}
			out = s.appendURL(out, i.referenceTokens[start:start+16])
		}
		out = append(out, `],"special_instructions":`...)
	} else {
		out = append(out, `,"portrait_url":null,"reference":null,"special_instructions":`...)
	}
	if i.instructions.Valid {
		out = appendText(out, i.instructions.String)
	} else {
		out = append(out, "null"...)
	}
	// The store that is measured has no names of clients' own.
	out = append(out, `,"external_id":null,"metadata":{},"error":`...)
	if i.errorCode.Valid {
		out = append(out, `{"code":`...)
		out = appendText(out, i.errorCode.String)
		out = append(out, `,"message":`...)
		out = appendText(out, i.errorMessage.String)
		out = append(out, '}')
	} else {
		out = append(out, "null"...)
	}
	out = append(out, `,"created_at":"`...)
	out = appendTime(out, i.createdAt)
	out = append(out, `","updated_at":"`...)
	out = appendTime(out, i.updatedAt)
	return append(out, `"}`...)
}

func (s *server) appendURL(out, token []byte) []byte {
	out = append(append(out, '"'), s.mediaURL...)
	return append(appendHex(out, token), '"')
}

func appendTime(out []byte, milliseconds int64) []byte {
	return time.UnixMilli(milliseconds).UTC().AppendFormat(out, "2006-01-02T15:04:05.000Z")
}

func appendHex(out, data []byte) []byte {
	start := len(out)
	out = append(out, make([]byte, hex.EncodedLen(len(data)))...)
	hex.Encode(out[start:], data)
	return out
}

func appendIdentifier(out, id []byte) []byte {
	for index, end := range []int{4, 6, 8, 10, 16} {
		if index == 0 {
			out = appendHex(out, id[:end])
		} else {
			out = appendHex(append(out, '-'), id[[]int{4, 6, 8, 10}[index-1]:end])
		}
	}
	return out
}

// A JSON string. The rules of names and instructions let few control characters through.
func appendText(out []byte, text string) []byte {
	out = append(out, '"')
	for index := 0; index < len(text); index++ {
		switch character := text[index]; {
		case character == '"' || character == '\\':
			out = append(out, '\\', character)
		case character == '\n':
			out = append(out, `\n`...)
		case character == '\r':
			out = append(out, `\r`...)
		case character == '\t':
			out = append(out, `\t`...)
		case character < 0x20 || character == 0x7f:
			out = append(out, fmt.Sprintf(`\u%04x`, character)...)
		default:
			out = append(out, character)
		}
	}
	return append(out, '"')
}

// Reads a UUID.
func identifier(text string) (id [16]byte, valid bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	_, err := hex.Decode(id[:], []byte(digits))
	return id, err == nil
}

// The cursor of the page behind an item: a version, what binds it to its list, the id and the time.
func cursor(createdAt int64, id []byte) string {
	place := binary.BigEndian.AppendUint64(append(make([]byte, 0, 24), id...), uint64(createdAt))
	bound := binding(place)
	return base64.RawURLEncoding.EncodeToString(append(append([]byte{cursorVersion}, bound[:8]...), place...))
}

// Reads such a cursor.
func position(text string) (createdAt int64, id []byte, valid bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) != 33 || data[0] != cursorVersion {
		return 0, nil, false
	}
	bound := binding(data[9:])
	return int64(binary.BigEndian.Uint64(data[25:])), data[9:25], bytes.Equal(bound[:8], data[1:9])
}

func binding(place []byte) [32]byte {
	return sha256.Sum256(append(append(make([]byte, 0, 64), place...), cursorList...))
}

func answer(writer http.ResponseWriter, status int, body []byte) {
	header := writer.Header()
	header["Content-Type"] = []string{"application/json"}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	writer.WriteHeader(status)
	// A client that is gone needs no answer.
	_, _ = writer.Write(body)
}

func fail(writer http.ResponseWriter, status int, code, message string) {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	out := append(make([]byte, 0, 256), `{"error":{"code":"`...)
	out = append(append(append(append(out, code...), `","message":"`...), message...), `"},"request_id":"`...)
	answer(writer, status, append(appendIdentifier(out, id[:]), `"}`...))
}

func failInternally(writer http.ResponseWriter, err error) {
	log.Print(err)
	fail(writer, http.StatusInternalServerError, "INTERNAL_ERROR", "Internal error")
}
