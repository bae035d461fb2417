module dashline

go 1.25
