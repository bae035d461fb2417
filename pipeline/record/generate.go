package record

//go:generate ./generate.sh
