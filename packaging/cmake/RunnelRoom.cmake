# runnel_room(NAME FOLDER DEPS…): a static library of all .cc files of one folder, linked to the rooms below it only.

find_program(RUNNEL_CCACHE ccache)
if(RUNNEL_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${RUNNEL_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${RUNNEL_CCACHE})
endif()

set(RUNNEL_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wnon-virtual-dtor -Wold-style-cast -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # What g++ 12 sees in inlined library code where there is nothing; said, but no error.
  list(APPEND RUNNEL_WARNINGS -Wno-error=maybe-uninitialized -Wno-error=restrict -Wno-error=array-bounds
       -Wno-error=stringop-overflow -Wno-error=stringop-overread -Wno-error=free-nonheap-object)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND RUNNEL_WARNINGS -Wthread-safety)
endif()

add_library(runnel_options INTERFACE)
target_include_directories(runnel_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(runnel_options INTERFACE ${RUNNEL_WARNINGS})
target_compile_definitions(runnel_options INTERFACE RUNNEL_VERSION="${PROJECT_VERSION}")
find_package(Threads REQUIRED)
target_link_libraries(runnel_options INTERFACE Threads::Threads)
if(RUNNEL_SANITIZE MATCHES thread)
  # Fences are seen by nobody under the thread sanitizer; g++ says so for each.
  target_compile_options(runnel_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
endif()
if(RUNNEL_SANITIZE)
  target_compile_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(runnel_options INTERFACE -fsanitize=${RUNNEL_SANITIZE})
endif()

if(RUNNEL_COVERAGE)
  target_compile_options(runnel_options INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(runnel_options INTERFACE --coverage)
endif()

# What sanitizers watch is optimized, so that the tests run in half the time.
function(runnel_watched TARGET)
  if(RUNNEL_SANITIZE)
    target_compile_options(${TARGET} PRIVATE $<$<CONFIG:Debug>:-O1>)
  endif()
endfunction()

function(runnel_room NAME FOLDER)
  file(GLOB sources CONFIGURE_DEPENDS ${FOLDER}/*.cc)
  if(sources)
    add_library(${NAME} ${sources})
    target_link_libraries(${NAME} PUBLIC runnel_options ${ARGN})
    runnel_watched(${NAME})
  else()
    add_library(${NAME} INTERFACE)
    target_link_libraries(${NAME} INTERFACE runnel_options ${ARGN})
  endif()
endfunction()

# Release builds: what runs once in a while is small (a whole library, or files of the present directory), what each FlowFile passes through is fast.
set(RUNNEL_SMALL $<$<CONFIG:Release>:-Os>)
function(runnel_small)
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE ${RUNNEL_SMALL})
  endforeach()
endfunction()
# (A file with options of its own is compiled by itself: where several make one unit, it has none.)
function(runnel_small_files)
  if(NOT CMAKE_UNITY_BUILD)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS ${RUNNEL_SMALL})
  endif()
endfunction()
function(runnel_fast_files)
  if(NOT CMAKE_UNITY_BUILD)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
  endif()
endfunction()

# runnel_alone(FILE…): compiled by themselves also where several files make one unit (the sanitizer builds), as their file-local names
# are those of their neighbours. In the directory of their target.
function(runnel_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# runnel_tests(ROOM FOLDER DEPS…): one doctest program of all *_test.cc files of one folder; a ctest of the same name.
function(runnel_tests ROOM FOLDER)
  file(GLOB sources CONFIGURE_DEPENDS ${FOLDER}/*_test.cc)
  if(sources)
    add_executable(runnel_tests_${ROOM} ${sources})
    target_link_libraries(runnel_tests_${ROOM} PRIVATE runnel_test_main ${ARGN})
    if(NOT CMAKE_BUILD_TYPE STREQUAL Debug)
      # Tests include much: several at once are compiled in half the time, as everything is by the sanitizers.
      set_target_properties(runnel_tests_${ROOM} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
    add_test(NAME ${ROOM} COMMAND runnel_tests_${ROOM})
  endif()
endfunction()

# runnel_embed_sql(TARGET FOLDER NAME): the migrations FOLDER/NNNN_noun.sql as `std::span<const Migration> NAME_migrations()` in generated/NAME_migrations.h.
function(runnel_embed_sql TARGET FOLDER NAME)
  file(GLOB files CONFIGURE_DEPENDS ${FOLDER}/[0-9][0-9][0-9][0-9]_*.sql)
  list(SORT files)
  set(header "// Generated from ${NAME}'s schema; edit that.\n\n#pragma once\n\n#include <array>\n#include <span>\n\n#include \"agent/store/database.h\"\n\nnamespace runnel {\n\ninline std::span<const Migration> ${NAME}_migrations() {\n  static constexpr Migration kAll[] = {\n")
  foreach(file ${files})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(base ${file} NAME_WE)
    string(SUBSTRING ${base} 0 4 number)
    math(EXPR number "1${number} - 10000")
    file(READ ${file} sql)
    string(APPEND header "      {${number}, \"${base}\", R\"sql(${sql})sql\"},\n")
  endforeach()
  string(APPEND header "  };\n  return kAll;\n}\n\n}  // namespace runnel\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${NAME}_migrations.h CONTENT "${header}" @ONLY)
endfunction()
