package strictyaml

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse turns the bytes into a tree after bounding what the parser will see.
// A nil node is an empty document.
func parse(file string, data []byte) (node ast.Node, err error) {
	// The parser is someone else's code and the bytes are hostile: should one
	// of them meet a defect there, the user gets an error and not a crash.
	defer func() {
		if r := recover(); r != nil {
			node, err = nil, &Error{File: file, Msg: fmt.Sprintf("is not YAML that can be read (%v)", r)}
		}
	}()
	if err := bounds(file, data); err != nil {
		return nil, err
	}
	tokens := lexer.Tokenize(string(data))
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			return nil, at(file, t, "anchors, aliases, merges and tags are not supported: write the value out")
		}
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			return nil, at(file, syntax.Token, "%s", syntax.Message)
		}
		return nil, &Error{File: file, Msg: err.Error()}
	}
	var bodies []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) == 0 {
		return nil, nil
	}
	if len(bodies) > 1 {
		return nil, at(file, bodies[1].GetToken(), "a second document begins here: only one is read, remove the line with ---")
	}
	return bodies[0], nil
}

// bounds refuses what would make the parser recurse deeply or take long:
// too many bytes, deep brackets, deep indentation, many "- " on one line.
func bounds(file string, data []byte) error {
	if len(data) > MaxBytes {
		return &Error{File: file, Msg: fmt.Sprintf("has %d bytes, the limit is %d", len(data), MaxBytes)}
	}
	depth := 0
	for i, line := range strings.Split(string(data), "\n") {
		text := strings.TrimLeft(line, " \t")
		if n := len(line) - len(text); n > MaxIndent {
			return &Error{File: file, Line: i + 1, Column: 1, Msg: fmt.Sprintf("is indented by %d, the limit is %d", n, MaxIndent)}
		}
		// Brackets in quoted text and comments count too; that only makes the
		// bound stricter, and no real file comes near it.
		for c, r := range line {
			switch r {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			}
			if depth > MaxDepth {
				return &Error{File: file, Line: i + 1, Column: c + 1, Msg: fmt.Sprintf("nests deeper than %d", MaxDepth)}
			}
		}
		if strings.Count(line, "- ")+strings.Count(line, "? ")+strings.Count(line, ": ") > MaxMarks {
			return &Error{File: file, Line: i + 1, Column: 1, Msg: "has too many marks of YAML structure on one line"}
		}
	}
	return nil
}

func at(file string, t *token.Token, format string, args ...any) *Error {
	e := &Error{File: file, Msg: fmt.Sprintf(format, args...)}
	if t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	return e
}
