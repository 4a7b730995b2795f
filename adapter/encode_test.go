package adapter

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/google/go-dap"
)

// bodies are those that the encoder writes by their fields.
var bodies = []any{
	dap.StoppedEventBody{}, dap.ContinuedEventBody{}, dap.ContinueResponseBody{}, dap.ThreadsResponseBody{}, dap.ScopesResponseBody{},
	stackTraceBody{}, variablesBody{}, evaluateBody{}, outputBody{}, breakpointsBody{}, disassembleBody{},
	breakpointEventBody{}, // by encoding/json
}

// awkward are strings whose escapes differ.
var awkward = []string{"", "plain", "<a&b>", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "äö€𝄞", "\u2028\u2029", "\xff\xc3", "\ufffd", "x\xe2\x80"}

// fill gives each field of v that can have one a value, or leaves it.
func fill(v reflect.Value, r *rand.Rand) {
	if r.IntN(4) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(awkward[r.IntN(len(awkward))])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(r.Int64N(9) - 4)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), r)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() || v.Type().Field(i).Anonymous {
				fill(f, r)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"a":[1]}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{7, "module", 2.5}[r.IntN(3)]))
	}
}

// TestEncoder: what is written by its fields is what encoding/json writes.
func TestEncoder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		for _, body := range bodies {
			v := reflect.New(reflect.TypeOf(body)).Elem()
			fill(v, r)
			for _, m := range []outgoing{
				&response{Seq: 3, Type: "response", RequestSeq: 2, Command: "x", Success: r.IntN(2) == 0, Message: awkward[r.IntN(len(awkward))], Body: v.Interface()},
				&event{Seq: 4, Type: "event", Event: "y", Body: v.Interface()},
				&event{Seq: 5, Type: "event", Event: "z"},
			} {
				var want bytes.Buffer
				to := json.NewEncoder(&want)
				to.SetEscapeHTML(false)
				if err := to.Encode(m); err != nil {
					t.Fatal(err)
				}
				var e encoder
				if e.message(m); e.err != nil || string(e.b)+"\n" != want.String() {
					t.Fatalf("%+v:\n%s (%v), not\n%s", v.Interface(), e.b, e.err, want.Bytes())
				}
			}
		}
	}
}

// TestEncoderRefuses: a body that encoding/json cannot write is an error.
func TestEncoderRefuses(t *testing.T) {
	var e encoder
	e.message(&event{Body: math.Inf(1)})
	if e.err == nil {
		t.Errorf("it wrote %s", e.b)
	}
}
